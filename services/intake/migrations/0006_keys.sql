-- depends: 0004_sealed_bytes 0005_served_documents

-- What is told about a matter is only ever looked for with the matter: its key begins with the matter, and no other
-- index has to be kept with every event.
set local lock_timeout = '10s';
set local statement_timeout = '30min';

drop index timeline_matter;
alter table timeline_entry drop constraint timeline_entry_pkey, add primary key (matter_id, event_id);

drop index notice_matter;
drop index notice_unopened;
drop index notice_document;
alter table notice drop constraint notice_pkey, add primary key (matter_id, notice_id);

drop index document_matter;
alter table document drop constraint document_pkey, add primary key (matter_id, document_id);

-- Only what was brought in from elsewhere has a source.
alter table matter drop constraint matter_once_per_source;
create unique index matter_once_per_source on matter (source, source_id) where source is not null;
