"""The embedded benchmark: rendered hands in two domains, in NumPy and OpenCV alone.

`hand` poses a mesh, `render` draws it, `appearance` colours it and its background, `sensor` turns
exact depth into that of a consumer camera, `scene` draws whole samples, `cache` writes them once.
"""
