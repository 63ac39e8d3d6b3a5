-- depends: 0004_desk

set local lock_timeout = '10s';
set local statement_timeout = '30min';

-- The words of a statement are fetched in the order in which it was made; `fetch_due`, which changes whenever a worker
-- takes the statement, stands in no index, so that taking it writes none.
drop index statement_fetch_due;
create index statement_to_fetch on statement (stated_at) where body is null;

-- Nobody asks for an agency's assignments here: oversight and the gateway have them.
drop index assignment_of_agency;
