/* demo::setup */
-- The tables a main app has before it knows postrider. Run at every start.

create schema if not exists demo;
comment on schema demo is 'The smallest main app, for trying and testing postrider.';

create table if not exists demo.users (
    id text primary key,
    email text not null,
    created_at timestamptz not null default now()
);
comment on table demo.users is 'People who log in.';

create table if not exists demo.sessions (
    token_sha256 bytea primary key,
    user_id text not null references demo.users on delete cascade,
    expires_at timestamptz not null
);
comment on table demo.sessions is 'Logged-in users. Of a session token only the hash is kept.';

create table if not exists demo.chatbots (
    id text primary key,
    owner_id text not null references demo.users on delete cascade,
    name text not null,
    created_at timestamptz not null default now()
);
comment on table demo.chatbots is 'Chatbots; each belongs to one user.';

create table if not exists demo.leads (
    id text primary key,
    chatbot_id text not null references demo.chatbots on delete cascade,
    name text not null,
    email text,
    phone text,
    company text,
    message text,
    preferred_method text,
    urgency text,
    source text,
    status text not null,
    priority text not null,
    tags text[] not null,
    custom_fields json not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index if not exists leads_chatbot on demo.leads (chatbot_id);
comment on table demo.leads is 'People who left their contact in a chat.';

-- The role of the app: its own tables, and of postrider the enqueue functions alone.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'postrider_demo') then
        create role postrider_demo nologin;
    end if;
    if not pg_has_role('postrider_demo', 'postrider_enqueue', 'member') then
        grant postrider_enqueue to postrider_demo;
    end if;
exception
    -- Roles belong to the whole cluster: another database of it is being set up at the same moment.
    when duplicate_object or unique_violation then null;
end
$$;
grant usage on schema demo to postrider_demo;
grant select, insert, update, delete on all tables in schema demo to postrider_demo;
