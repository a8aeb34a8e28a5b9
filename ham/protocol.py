"""The published protocol's numbers that several stages share (docs/method.md, section 5)."""

T_IOU = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # thresholds of T(IoU), and of T(IoR)
T_IOR = (0.1, 0.25, 0.5, 0.75, 0.9)
CERTAINTY = 0.999  # refined map from which on a pixel is predicted
