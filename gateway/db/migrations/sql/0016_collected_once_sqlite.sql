CREATE UNIQUE INDEX uq_charges_period ON charges (chain_id, onchain_mandate_id, mandate_period) WHERE status = 'succeeded' AND onchain_mandate_id IS NOT NULL;
