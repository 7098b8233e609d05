"""The commands: one thin file each, which checks its input before it imports TensorFlow."""
