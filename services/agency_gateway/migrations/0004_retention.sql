-- depends: 0003_desk

-- When the messages of an ended assignment left feed and desk; the index finds the next ones to go.
set local lock_timeout = '10s';
set local statement_timeout = '30min';

alter table assignment add column messages_gone_at timestamptz;
create index assignment_with_messages on assignment (changed_at)
    where messages_gone_at is null and state in ('done', 'released', 'withdrawn');

-- Sealed bytes look random: trying to compress them costs time and gains nothing.
alter table statement alter column sealed set storage external;
alter table desk_item alter column sealed set storage external;
alter table feed_item alter column sealed set storage external;
alter table journal alter column sealed set storage external;
alter table journal alter column sealed_answer set storage external;
