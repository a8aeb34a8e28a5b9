"""Numbers of the published implementation, and the inputs they were made from."""
