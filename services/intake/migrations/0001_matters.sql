-- The matter as told, the files that belong to it, and what the petitioner does later.

-- Numbers are taken in blocks of 50 by each process, so that registering a matter costs no exchange for its number.
create sequence matter_number increment by 50;

-- Reference data, kept by event from routing. Codes are compared byte by byte so that prefixes use the index.
create table region (
    code text collate "C" primary key,
    name text not null,
    level text not null,
    parent_code text collate "C"
);
create index region_parent on region (parent_code);

create table agency (
    code text collate "C" primary key,
    name text not null,
    level text not null,
    region_code text collate "C" not null,
    petition_office boolean not null,
    superior_government text,
    superior_vertical text,
    active boolean not null
);
create index agency_region on agency (region_code);

-- `words` holds title, content, claims and accused persons, `persons` the petitioner and representatives, both sealed.
-- `contacts` are blind indexes of telephone, identity number and e-mail of all persons: equality only, no order, no text.
-- A row is never changed: what happens later stands in `progress`. The region has no foreign key: the insert reads the
-- name from `region`, and a key would lock the same region's row in every registration.
create table matter (
    id uuid primary key,
    number text collate "C" not null constraint matter_number_once unique,
    channel text not null,
    purpose text not null,
    region_code text collate "C" not null,
    region_name text not null,
    received_at timestamptz not null,
    original_received_on date,
    words bytea not null,
    persons bytea,
    contacts bytea[] not null default '{}',
    claims smallint not null constraint matter_has_a_claim check (claims > 0),
    accused text[] not null default '{}',
    group_size int not null constraint matter_group_size_positive check (group_size > 0),
    anonymous boolean not null,
    language text not null,
    sealed boolean not null,
    registered_by text,
    source text,
    source_id text,
    constraint matter_once_per_source unique (source, source_id),
    constraint matter_source_is_whole check ((source is null) = (source_id is null)),
    constraint matter_person_or_anonymous check (anonymous = (persons is null)),
    constraint matter_accusation_is_sealed check (sealed = (purpose = 'accusation'))
);
create index matter_received_at on matter (received_at desc, id desc);
create index matter_region on matter (region_code, received_at desc, id desc);
create index matter_registered_by on matter (registered_by, received_at desc, id desc) where registered_by is not null;
create index matter_contacts on matter using gin (contacts);

-- An upload waits for its matter for a day; `uploader` is who may attach it. `name` is sealed: file names hold names.
create table upload (
    id uuid primary key,
    uploader text not null,
    name bytea not null,
    media_type text not null,
    bytes bigint not null constraint upload_is_not_empty check (bytes > 0),
    sha256 bytea not null,
    uploaded_at timestamptz not null,
    matter_id uuid references matter,
    supplement_id uuid,
    ordinal smallint,
    constraint upload_attached_whole check ((matter_id is null) = (ordinal is null))
);
create index upload_matter on upload (matter_id, ordinal) where matter_id is not null;
create index upload_waiting on upload (uploaded_at) where matter_id is null;

create table supplement (
    id uuid primary key,
    matter_id uuid not null references matter,
    words bytea not null,
    supplemented_at timestamptz not null
);
create index supplement_matter on supplement (matter_id, supplemented_at);

create table withdrawal (
    matter_id uuid primary key references matter,
    withdrawn_at timestamptz not null
);

-- One vote per target and round; `agency_code` is empty where the target is the petition office.
create table rating (
    matter_id uuid not null references matter,
    round int not null,
    target text not null constraint rating_target_known check (target in ('petition_office', 'agency')),
    agency_code text not null,
    value text not null constraint rating_value_known check (value in ('satisfied', 'basically_satisfied', 'dissatisfied')),
    rated_at timestamptz not null,
    constraint rating_once_per_target_and_round primary key (matter_id, round, target, agency_code),
    constraint rating_agency_where_target check ((target = 'agency') = (agency_code <> ''))
);

create table solved_answer (
    matter_id uuid not null references matter,
    round int not null,
    solved boolean not null,
    answered_at timestamptz not null,
    constraint solved_answered_once_per_round primary key (matter_id, round)
);
