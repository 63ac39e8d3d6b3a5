-- depends: 0003_sign_in

-- What waits for an officer is counted from an index alone, and listed by what it waits for.
set local lock_timeout = '10s';
set local statement_timeout = '30min';

create index case_waiting on petition_case (attention, region_code) where attention is not null;
create index case_triage_of_kind on petition_case (attention, received_at, id) where attention is not null;

-- Sealed bytes look random: trying to compress them costs time and gains nothing.
alter table case_text alter column body set storage external;
alter table statement alter column body set storage external;
