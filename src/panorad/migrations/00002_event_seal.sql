-- Events are sealed in batches: a digest of every row, and over those a chain, so that a changed, lost or added row shows and is named.

create table event_seal (
    number bigint primary key, -- 1, 2, 3... without a gap
    first_id bigint not null,
    last_id bigint not null,
    sealed_at timestamptz not null default clock_timestamp(),
    rows bytea not null,       -- 16 bytes for each event of the batch, in the order of their ids
    chain bytea not null,      -- SHA-256 over the chain of the batch before and this batch's own bounds and rows
    check (last_id >= first_id and length(rows) > 0 and length(rows) % 16 = 0 and length(chain) = 32)
);
comment on table event_seal is 'What events were when they were sealed: appended to, never changed.';
grant select, insert on event_seal to panorad_app;
