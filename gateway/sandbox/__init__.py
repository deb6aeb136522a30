"""The whole gateway on one machine, and its main job shown on it. For development; nothing in production imports it."""
