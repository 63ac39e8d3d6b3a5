-- When a document's notice was served is looked up by the document.
create index notice_document on notice (document_id) where document_id is not null;
