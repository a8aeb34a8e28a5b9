"""Names of the columns of images.csv that are not findings."""

IMAGE_COLUMNS = ("image", "patient", "width", "height", "view")
