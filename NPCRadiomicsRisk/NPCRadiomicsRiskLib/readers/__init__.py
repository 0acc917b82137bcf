"""Radiotherapy objects, images and segmentations from files, without a scene."""
