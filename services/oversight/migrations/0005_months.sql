-- depends: 0004_agencies_in_regions

-- What the board shows month by month: registered, and closed (until reopened). Counted from the indexes alone.
alter table matter add column closed_at timestamptz;
update matter set closed_at = (
    select max(happened_at) from ledger where subject = matter.id and type = 'lianban.routing.case-closed.v1'
) where state = 'closed';
create index matter_received on matter (received_at, region_code);
create index matter_closed on matter (closed_at, region_code) where closed_at is not null;
