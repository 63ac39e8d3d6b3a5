-- Documents (文书) and notices (告知). Texts are kept only in sealed documents; addresses are never kept.

create table matter (
    id uuid primary key,
    number text not null,
    region_name text not null,
    reachable text[] not null,
    received_at timestamptz not null,
    withdrawn_at timestamptz
);

-- Consecutive numbers per kind and year, without gaps: the row is locked until the document's transaction commits.
create table document_counter (
    kind text not null,
    year int not null,
    last int not null,
    primary key (kind, year)
);

-- `drafted`: waits for its texts; `composed`: waits for the press; `issued`: numbered, printed and said.
create table document (
    id uuid primary key,
    matter_id uuid not null references matter,
    kind text not null,
    round int not null,
    issuer_code text not null,
    issuer_name text not null,
    names jsonb not null,
    facts jsonb not null,
    state text not null constraint document_state_known check (state in ('drafted', 'composed', 'issued')),
    happened_at timestamptz not null,
    number text constraint document_number_once unique,
    issued_at timestamptz,
    content bytea,
    pdf bytea,
    tries int not null default 0,
    next_try_at timestamptz not null default now(),
    error text,
    constraint document_once_per_round unique (matter_id, kind, round),
    constraint document_issued_is_numbered check ((state = 'issued') = (number is not null and pdf is not null))
);
create index document_due on document (state, next_try_at) where state <> 'issued';
create index document_matter on document (matter_id);

-- `waiting`: for its document; `queued`: to be handed over; `sending`: being handed over; `sent`: handed over or shown;
-- `served`: service is proved; `failed`: cannot be handed over by this channel; `cancelled`: no longer true.
create table notice (
    id uuid primary key,
    matter_id uuid not null references matter,
    kind text not null,
    channel text not null,
    document_id uuid references document,
    facts jsonb not null,
    state text not null constraint notice_state_known
        check (state in ('waiting', 'queued', 'sending', 'sent', 'served', 'failed', 'cancelled')),
    message_id text not null constraint notice_message_once unique,
    happened_at timestamptz not null,
    sent_at timestamptz,
    served_at timestamptz,
    means text,
    tries int not null default 0,
    next_try_at timestamptz not null default now(),
    error text
);
create index notice_due on notice (next_try_at) where state in ('queued', 'sending');
create index notice_matter on notice (matter_id);
create index notice_document on notice (document_id) where document_id is not null;
