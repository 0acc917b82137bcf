"""Would the differences between sub-regions survive other contours, another alignment, other sizes?"""
