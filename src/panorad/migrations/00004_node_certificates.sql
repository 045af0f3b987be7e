-- DICOM over TLS: the certificates that a node is bound to, and whether images are sent to it over TLS.

alter table node add column tls boolean not null default false;

create table node_certificate (
    ae_title text not null references node on delete cascade,
    kind text not null check (kind in ('sha256', 'name', 'any')),
    value text not null,       -- SHA-256 of the DER form in lower-case hex; a name in lower case; empty
    created_at timestamptz not null default now(),
    primary key (ae_title, kind, value),
    check ((kind = 'any') = (value = '')),
    check (kind <> 'sha256' or value ~ '^[0-9a-f]{64}$')
);
comment on table node_certificate is 'What a node''s certificate must be; a node with a row here calls over TLS only, one without calls plainly only.';
grant select, insert, delete on node_certificate to panorad_app;
