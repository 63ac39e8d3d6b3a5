-- depends: 0002_cases

-- Sign-in through the site's identity providers (OpenID Connect).

-- Whom a provider means: `subject` never changes and is never given to somebody else, user names may be. `managed`:
-- the account was made for this identity, and the site's rules decide its roles at every sign-in; otherwise the
-- register's entry counts, which was there before.
create table staff_identity (
    issuer text not null,
    subject text not null,
    staff_id uuid not null references staff,
    managed boolean not null,
    linked_at timestamptz not null,
    primary key (issuer, subject),
    constraint staff_identity_once_per_issuer unique (staff_id, issuer)
);

-- A browser on its way to a provider and back: taken out with the first answer, so that none counts twice.
create table sign_in_attempt (
    state_hash bytea primary key,
    browser_hash bytea not null,
    provider text not null,
    sealed bytea not null,
    started_at timestamptz not null
);
create index sign_in_attempt_started on sign_in_attempt (started_at);

-- Which provider vouched for the session (null: a local account), and its id_token, sealed, for signing out there.
alter table staff_session add column provider text;
alter table staff_session add column id_token bytea;
create index staff_session_id_token on staff_session (expires_at) where id_token is not null;
