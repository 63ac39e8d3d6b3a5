-- depends: 0006_tallies

set local lock_timeout = '10s';
set local statement_timeout = '30min';

-- Changes are added up in any order, and all of them: they need no number and no index.
alter table tally_change drop column id;
