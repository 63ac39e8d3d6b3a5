-- depends: 0004_sealed_bytes

set local lock_timeout = '10s';
set local statement_timeout = '30min';

-- A queue's order is when something happened, which never changes; `next_try_at`, which changes whenever a worker takes
-- a document, stands in no index, so that taking it writes none.
drop index document_due;
create index document_waiting on document (state, happened_at) where state <> 'issued';

-- Only issued documents have a number, and only waiting notices are looked for by their document.
alter table document drop constraint document_number_once;
create unique index document_number_once on document (number) where number is not null;
drop index notice_document;
create index notice_waiting on notice (document_id) where state = 'waiting';

-- Others tell the same: the key of a matter's documents begins with the matter, and a message id is made of the notice's.
drop index document_matter;
alter table notice drop constraint notice_message_once;
