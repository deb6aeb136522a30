ALTER TABLE webhook_endpoints ADD COLUMN api_version TEXT;
