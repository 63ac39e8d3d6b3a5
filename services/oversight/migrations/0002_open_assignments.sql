-- depends: 0001_clocks

create index assignment_open on assignment (agency_code) where ended_at is null;
