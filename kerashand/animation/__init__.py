"""Followed hands as moving skeletons, and as files that Blender, Unity and others read."""
