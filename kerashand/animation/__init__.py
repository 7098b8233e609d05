"""Followed hands as moving skeletons, and as files that Blender, three.js and others read."""
