"""The pages that subscribers see: Jinja templates, one small ES module, nothing from a third party."""
