-- depends: 0002_delivery_trace

-- The desk's list takes the newest of each wanted state: an agency's few open assignments stand among very many old ones.
set local lock_timeout = '10s';
set local statement_timeout = '30min';

create index assignment_of_state on assignment (agency_code, state, sent_at desc, id desc);
create index assignment_number on assignment (number);
drop index assignment_desk;
