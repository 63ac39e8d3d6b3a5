-- Registers that routing owns: regions, agencies, staff accounts, the responsibility catalogue.

-- Region codes have twelve digits: city 4, county 6, township 9, village 12 significant ones; collation C lets a
-- prefix search use the index.
create table region (
    code text collate "C" primary key constraint region_code_has_twelve_digits check (code ~ '^[0-9]{12}$'),
    name text not null,
    level text not null constraint region_level_known check (level in ('city', 'county', 'township', 'village')),
    parent_code text collate "C" references region,
    registered_at timestamptz not null
);
create index region_parent on region (parent_code);

create table agency (
    code text primary key constraint agency_code_form check (code ~ '^[a-z0-9-]{3,40}$'),
    name text not null,
    level text not null constraint agency_level_known check (level in ('city', 'county', 'township', 'village')),
    region_code text collate "C" not null references region,
    petition_office boolean not null default false,
    superior_government text constraint agency_is_not_its_own_superior check (superior_government <> code),
    superior_vertical text constraint agency_is_not_its_own_vertical_superior check (superior_vertical <> code),
    functions text[] not null default '{}',
    phone text not null default '',
    address text not null default '',
    duty_hours text not null default '',
    successor text constraint agency_does_not_succeed_itself check (successor <> code),
    active boolean not null default true,
    registered_at timestamptz not null
);
create index agency_region on agency (region_code);
create index agency_name on agency (name);
create index agency_functions on agency using gin (functions);
create unique index agency_one_petition_office_per_region on agency (region_code) where petition_office and active;

create table staff (
    id uuid primary key,
    username text not null constraint staff_username_once unique,
    name text not null,
    password_hash text,
    roles text[] not null,
    agency_code text references agency,
    territory text collate "C" references region,
    active boolean not null default true,
    failures int not null default 0,
    locked_until timestamptz,
    signed_in_at timestamptz,
    registered_at timestamptz not null
);

-- A signed-in browser. The refresh token itself is never stored; each use replaces it, and the use of a replaced one
-- ends the session, because then two hold it.
create table staff_session (
    id uuid primary key,
    staff_id uuid not null references staff,
    token_hash bytea not null constraint staff_session_token_once unique,
    previous_hash bytea,
    started_at timestamptz not null,
    refreshed_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index staff_session_of_staff on staff_session (staff_id) where ended_at is null;
create index staff_session_previous on staff_session (previous_hash) where previous_hash is not null;
create index staff_session_expires on staff_session (expires_at);

-- The responsibility catalogue (权责清单): matter type x function x legal basis.
create table matter_type (
    code text primary key constraint matter_type_code_form check (code ~ '^[a-z0-9.-]{2,60}$'),
    item text not null,
    field text not null,
    name text not null,
    name_en text not null,
    lead jsonb not null,
    co_handlers jsonb not null default '[]',
    keywords text[] not null default '{}',
    examples text[] not null default '{}',
    basis jsonb not null default '[]',
    revision bigint not null,
    registered_at timestamptz not null
);
create sequence matter_type_revision;
create index matter_type_by_revision on matter_type (revision);
