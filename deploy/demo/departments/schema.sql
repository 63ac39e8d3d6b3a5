CREATE SEQUENCE IF NOT EXISTS ticket_serial;

CREATE TABLE IF NOT EXISTS tenant (
    code text PRIMARY KEY CHECK (code ~ '^[a-z0-9-]{2,40}$'),
    name text NOT NULL,
    trade text NOT NULL,
    api_key_hash bytea NOT NULL UNIQUE,
    webhook_url text,
    webhook_key text,
    autopilot jsonb NOT NULL,
    fault jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS ticket (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL REFERENCES tenant,
    no text NOT NULL UNIQUE,
    request_ref text NOT NULL,
    external_ref text NOT NULL,
    source_no text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('MAIN', 'ASSIST')),
    items jsonb NOT NULL,
    reporter jsonb NOT NULL,
    deadline text NOT NULL,
    no_return boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('NEW', 'TAKEN', 'RETURNED', 'WORKING', 'ADVISED', 'FINISHED', 'CANCELLED')),
    remark text NOT NULL DEFAULT '',
    return_code text CHECK (return_code IN ('R01', 'R02', 'R03', 'R04', 'R05')),
    suggest_dept text,
    results jsonb NOT NULL DEFAULT '[]',
    basis text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT one_ticket_per_request UNIQUE (tenant, request_ref)
);
ALTER TABLE ticket ADD COLUMN IF NOT EXISTS basis text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS ticket_by_external_ref ON ticket (tenant, external_ref);
CREATE INDEX IF NOT EXISTS ticket_newest ON ticket (tenant, id DESC);
CREATE INDEX IF NOT EXISTS ticket_newest_of_status ON ticket (tenant, status, id DESC);

CREATE TABLE IF NOT EXISTS message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL REFERENCES tenant,
    ticket_id bigint NOT NULL REFERENCES ticket,
    request_ref text NOT NULL,
    type text NOT NULL CHECK (type IN ('SUPPLEMENT', 'WITHDRAW', 'ADVICE', 'CHANGE', 'CLOSED')),
    sender text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT one_message_per_request UNIQUE (tenant, request_ref)
);
CREATE INDEX IF NOT EXISTS message_of_ticket ON message (ticket_id, id);

CREATE TABLE IF NOT EXISTS step (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id bigint NOT NULL REFERENCES ticket,
    actor text NOT NULL,
    status text NOT NULL,
    remark text NOT NULL,
    happened_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS step_of_ticket ON step (ticket_id, id);

-- When the autopilot looks at a ticket next; a ticket that a person has touched has no row here.
CREATE TABLE IF NOT EXISTS autopilot_turn (
    ticket_id bigint PRIMARY KEY REFERENCES ticket,
    tenant text NOT NULL REFERENCES tenant,
    due_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS autopilot_turn_due ON autopilot_turn (due_at);

-- Calls to tenants' own addresses that are still to be made: a row is leased while it is being sent, and goes when the
-- other side has it. So the table is as large as what waits, whatever the planner believes about it.
CREATE TABLE IF NOT EXISTS webhook (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    tenant text NOT NULL REFERENCES tenant,
    ticket_id bigint NOT NULL REFERENCES ticket,
    payload jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    last_error text
);
-- next_try_at stands in no index, so that leasing a row writes none.
CREATE INDEX IF NOT EXISTS webhook_of_ticket ON webhook (ticket_id, id);
DROP INDEX IF EXISTS webhook_due;
ALTER TABLE webhook DROP CONSTRAINT IF EXISTS webhook_event_id_key;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'webhook'::regclass AND attname = 'delivered_at'
               AND NOT attisdropped) THEN
        DELETE FROM webhook WHERE delivered_at IS NOT NULL;
        ALTER TABLE webhook DROP COLUMN delivered_at;  -- and the index of what was not delivered
    END IF;
END $$;
