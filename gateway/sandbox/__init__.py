"""The whole gateway on one machine, and its main job shown on it. Development only; nothing in production imports it."""
