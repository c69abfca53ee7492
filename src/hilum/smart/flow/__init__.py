"""An authorization on its way: asked for, gone through page by page, allowed, and looked at afterwards."""
