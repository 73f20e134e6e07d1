#include "store/migrations.h"

#include <towline/attr.h>

/* Common ground of SQLite and PostgreSQL: TEXT ids (ULIDs), BIGINT for every number, milliseconds for
 * time, 0/1 for truth, JSON as TEXT. A table that both sides write gets its constraints here: what
 * the schema refuses no handler can get wrong. */

static const char people_and_hosts[] =
	"CREATE TABLE organisation ("
	" id TEXT PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" created_ms BIGINT NOT NULL);"

	/* Numbers that people read, and sequences: next = UPDATE … RETURNING, in the transaction. */
	"CREATE TABLE counter ("
	" name TEXT PRIMARY KEY,"
	" value BIGINT NOT NULL);"
	"INSERT INTO counter (name, value) VALUES ('ticket', 1000), ('outbox', 0);"

	"CREATE TABLE app_user ("
	" id TEXT PRIMARY KEY,"
	" organisation_id TEXT NOT NULL REFERENCES organisation (id),"
	" login TEXT NOT NULL UNIQUE,"
	" name TEXT NOT NULL,"
	" roles BIGINT NOT NULL CHECK (roles > 0)," /* TL_ROLE_* bits of http/http.h */
	" disabled BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),"
	" created_ms BIGINT NOT NULL);"

	"CREATE TABLE api_token ("
	" id TEXT PRIMARY KEY,"
	" user_id TEXT NOT NULL REFERENCES app_user (id),"
	" name TEXT NOT NULL,"
	" sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),"
	" created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT,"
	" revoked_ms BIGINT,"
	" last_used_ms BIGINT);"
	"CREATE INDEX api_token_user ON api_token (user_id);"

	"CREATE TABLE ssh_key ("
	" id TEXT PRIMARY KEY,"
	" user_id TEXT NOT NULL REFERENCES app_user (id),"
	" key_base64 TEXT NOT NULL UNIQUE,"
	" line TEXT NOT NULL,"
	" fingerprint TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL);"
	"CREATE INDEX ssh_key_user ON ssh_key (user_id);"

	"CREATE TABLE host ("
	" id TEXT PRIMARY KEY,"
	" organisation_id TEXT NOT NULL REFERENCES organisation (id),"
	" name TEXT NOT NULL UNIQUE,"
	" public_key TEXT NOT NULL,"	/* base64url, 32 bytes */
	" key_id TEXT NOT NULL UNIQUE," /* RFC 7638 thumbprint of it */
	" ssh_host_key TEXT NOT NULL,"
	" consent_key TEXT,"
	" agent_version TEXT NOT NULL DEFAULT '',"
	" state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked')),"
	" enrolled_ms BIGINT NOT NULL,"
	" last_seen_ms BIGINT,"
	" generation BIGINT NOT NULL DEFAULT 0,"
	" clock_offset_ms BIGINT NOT NULL DEFAULT 0,"
	" address TEXT);"

	"CREATE TABLE enrolment_token ("
	" id TEXT PRIMARY KEY,"
	" secret_sha256 TEXT NOT NULL UNIQUE CHECK (length(secret_sha256) = 64),"
	" created_by TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" used_ms BIGINT,"
	" host_id TEXT REFERENCES host (id),"
	" key_id TEXT);" /* of the host that used it: a repeated request is recognised */

	/* Client assertions seen: each is accepted once until it expires (RFC 7523 §3). */
	"CREATE TABLE assertion_jti ("
	" jti TEXT PRIMARY KEY,"
	" expires_ms BIGINT NOT NULL);"
	"CREATE INDEX assertion_jti_expires ON assertion_jti (expires_ms);";

static const char tickets_and_bundles[] =
	"CREATE TABLE ticket ("
	" id TEXT PRIMARY KEY,"
	" organisation_id TEXT NOT NULL REFERENCES organisation (id),"
	" number TEXT NOT NULL UNIQUE," /* 'T-1001': 'T-' and the next of counter 'ticket' */
	" kind TEXT NOT NULL DEFAULT 'incident' CHECK (kind IN ('incident', 'request')),"
	" summary TEXT NOT NULL CHECK (summary <> ''),"
	" description TEXT NOT NULL DEFAULT '',"
	" state TEXT NOT NULL DEFAULT 'new'"
	"  CHECK (state IN ('new', 'open', 'pending', 'resolved', 'closed')),"
	" impact BIGINT NOT NULL DEFAULT 3 CHECK (impact BETWEEN 1 AND 3)," /* 1 is highest */
	" urgency BIGINT NOT NULL DEFAULT 3 CHECK (urgency BETWEEN 1 AND 3),"
	" priority BIGINT NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 5),"
	" host_id TEXT REFERENCES host (id),"
	" requester TEXT NOT NULL DEFAULT '',"
	" created_ms BIGINT NOT NULL,"
	" updated_ms BIGINT NOT NULL,"
	" version BIGINT NOT NULL DEFAULT 1);"
	"CREATE INDEX ticket_state ON ticket (state, id);"
	"CREATE INDEX ticket_host ON ticket (host_id, id);"

	"CREATE TABLE timeline ("
	" id TEXT PRIMARY KEY,"
	" ticket_id TEXT NOT NULL REFERENCES ticket (id),"
	" at_ms BIGINT NOT NULL,"
	" actor_kind TEXT NOT NULL CHECK (actor_kind IN ('user', 'host', 'system')),"
	" actor TEXT NOT NULL,"
	" kind TEXT NOT NULL,"
	" body TEXT NOT NULL DEFAULT '{}');"
	"CREATE INDEX timeline_ticket ON timeline (ticket_id, id);"

	"CREATE TABLE idempotency ("
	" principal TEXT NOT NULL,"
	" key TEXT NOT NULL,"
	" method TEXT NOT NULL,"
	" path TEXT NOT NULL,"
	" request_sha256 TEXT NOT NULL,"
	" status BIGINT NOT NULL,"
	" response TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL,"
	" PRIMARY KEY (principal, key));"
	"CREATE INDEX idempotency_created ON idempotency (created_ms);"

	"CREATE TABLE session ("
	" id TEXT PRIMARY KEY,"
	" ticket_id TEXT NOT NULL REFERENCES ticket (id),"
	" host_id TEXT NOT NULL REFERENCES host (id),"
	" user_id TEXT NOT NULL REFERENCES app_user (id),"
	" lane TEXT NOT NULL CHECK (lane IN ('bastion', 'end-to-end')),"
	" scopes TEXT NOT NULL," /* comma-separated, as tl_scopes_write() */
	" purpose TEXT NOT NULL,"
	" state TEXT NOT NULL"
	"  CHECK (state IN ('requested', 'consented', 'refused', 'open', 'ended')),"
	" grant_jws TEXT NOT NULL,"
	" decision TEXT,"
	" decision_reason TEXT,"
	" consent TEXT,"
	" requested_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL,"
	" opened_ms BIGINT,"
	" ended_ms BIGINT,"
	" end_reason TEXT,"
	" bytes_in BIGINT NOT NULL DEFAULT 0,"
	" bytes_out BIGINT NOT NULL DEFAULT 0,"
	" address TEXT,"
	" recording_blob TEXT,"
	" recording_facts TEXT);"
	"CREATE INDEX session_ticket ON session (ticket_id, id);"
	"CREATE INDEX session_host ON session (host_id, state);"
	"CREATE INDEX session_engineer ON session (user_id, id);"

	"CREATE TABLE upload ("
	" id TEXT PRIMARY KEY,"
	" kind TEXT NOT NULL CHECK (kind IN ('bundle', 'recording')),"
	" subject TEXT," /* bundle id or session id: creating again finds the upload */
	" principal TEXT NOT NULL,"
	" length BIGINT CHECK (length >= 0)," /* NULL: deferred */
	" received BIGINT NOT NULL DEFAULT 0,"
	" metadata TEXT NOT NULL DEFAULT '{}',"
	" state TEXT NOT NULL DEFAULT 'open'"
	"  CHECK (state IN ('open', 'complete', 'rejected', 'aborted')),"
	" created_ms BIGINT NOT NULL,"
	" updated_ms BIGINT NOT NULL,"
	" blob TEXT NOT NULL,"
	" ticket_id TEXT REFERENCES ticket (id),"
	" session_id TEXT REFERENCES session (id),"
	" CHECK (received >= 0 AND (length IS NULL OR received <= length)));"
	"CREATE UNIQUE INDEX upload_subject ON upload (kind, subject);"
	"CREATE INDEX upload_state ON upload (state, updated_ms);"

	"CREATE TABLE bundle ("
	" id TEXT PRIMARY KEY,"
	" ticket_id TEXT NOT NULL REFERENCES ticket (id),"
	" host_id TEXT NOT NULL REFERENCES host (id),"
	" sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
	" index_sha256 TEXT NOT NULL CHECK (length(index_sha256) = 64),"
	" size BIGINT NOT NULL CHECK (size > 0),"
	" unpacked BIGINT NOT NULL CHECK (unpacked >= 0),"
	" members BIGINT NOT NULL CHECK (members >= 0),"
	" signature TEXT NOT NULL,"
	" consent TEXT,"
	" manifest TEXT NOT NULL,"
	" facts TEXT NOT NULL DEFAULT '{}',"
	" state TEXT NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'rejected')),"
	" blob TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL);"
	"CREATE INDEX bundle_ticket ON bundle (ticket_id, id);"
	"CREATE INDEX bundle_host ON bundle (host_id, id);";

static const char trail[] =
	"CREATE TABLE audit ("
	" seq BIGINT PRIMARY KEY,"
	" at_ms BIGINT NOT NULL,"
	" actor_kind TEXT NOT NULL CHECK (actor_kind IN ('user', 'host', 'system')),"
	" actor TEXT NOT NULL,"
	" action TEXT NOT NULL,"
	" object_kind TEXT NOT NULL,"
	" object TEXT NOT NULL,"
	" address TEXT,"
	" detail TEXT,"
	" hash TEXT NOT NULL CHECK (length(hash) = 64));"
	"CREATE INDEX audit_object ON audit (object_kind, object, seq);"

	/* One row: the end of the chain. Whoever appends changes it, so that the chain cannot fork. */
	"CREATE TABLE audit_head ("
	" id BIGINT PRIMARY KEY CHECK (id = 1),"
	" seq BIGINT NOT NULL,"
	" hash TEXT NOT NULL CHECK (length(hash) = 64));"
	"INSERT INTO audit_head (id, seq, hash) VALUES (1, 0,"
	" '0000000000000000000000000000000000000000000000000000000000000000');"

	"CREATE TABLE outbox ("
	" seq BIGINT PRIMARY KEY,"
	" at_ms BIGINT NOT NULL,"
	" topic TEXT NOT NULL,"
	" type TEXT NOT NULL,"
	" data TEXT NOT NULL,"
	" delivered_ms BIGINT);"
	"CREATE INDEX outbox_pending ON outbox (delivered_ms, seq);";

/* Which relay process carries a session, where several share a store. NULL in older rows. */
static const char session_node[] = "ALTER TABLE session ADD COLUMN node TEXT";

/* How hosts are, as they told last: a document each, since it is told, read and replaced as one. */
static const char host_health[] = "CREATE TABLE host_health ("
				  " host_id TEXT PRIMARY KEY REFERENCES host (id),"
				  " seq BIGINT NOT NULL,"
				  " verdict TEXT NOT NULL"
				  "  CHECK (verdict IN ('ok', 'unknown', 'warning', 'critical')),"
				  " facts TEXT NOT NULL,"
				  " updated_ms BIGINT NOT NULL)";

/* What was done in a session, in its engineer's words. */
static const char session_note[] = "ALTER TABLE session ADD COLUMN note TEXT";

/* Secrets are sealed (server/desk/vault.h); `pending` was drawn and not yet confirmed. */
static const char second_factor[] =
	"CREATE TABLE second_factor ("
	" user_id TEXT PRIMARY KEY REFERENCES app_user (id),"
	" secret TEXT,"
	" pending TEXT,"
	" last_step BIGINT NOT NULL DEFAULT 0," /* RFC 6238: this one and those before are spent */
	" wrong BIGINT NOT NULL DEFAULT 0,"
	" wrong_since_ms BIGINT NOT NULL DEFAULT 0,"
	" changed_ms BIGINT NOT NULL);"

	"CREATE TABLE recovery_code ("
	" user_id TEXT NOT NULL REFERENCES app_user (id),"
	" digest TEXT NOT NULL CHECK (length(digest) = 64),"
	" used_ms BIGINT,"
	" PRIMARY KEY (user_id, digest));";

/* Requests that engineers sign, and what they may ask for beside scopes; who the engineers are, as an offline key
 * says. `claimed_ms` is when an SSH connection took up what was asked for by the API. */
static const char signed_requests[] =
	"ALTER TABLE session ADD COLUMN account TEXT;"
	"ALTER TABLE session ADD COLUMN max_s BIGINT;"
	"ALTER TABLE session ADD COLUMN purpose_stated BIGINT NOT NULL DEFAULT 0;"
	"ALTER TABLE session ADD COLUMN break_glass BIGINT NOT NULL DEFAULT 0;"
	"ALTER TABLE session ADD COLUMN statement TEXT;"
	"ALTER TABLE session ADD COLUMN signature TEXT;"
	"ALTER TABLE session ADD COLUMN claimed_ms BIGINT;"
	"CREATE INDEX session_live ON session (node, id)"
	" WHERE state IN ('requested', 'consented', 'open');"
	"CREATE TABLE roster ("
	" version BIGINT PRIMARY KEY,"
	" body TEXT NOT NULL,"
	" signature TEXT NOT NULL,"
	" published_ms BIGINT NOT NULL);";
/* What the relay's own SSH authority issued, and what no longer counts, of it or of others. */
static const char ssh_authority[] =
	"INSERT INTO counter (name, value) VALUES ('ssh-certificate', 0);"

	"CREATE TABLE ssh_certificate ("
	" serial BIGINT PRIMARY KEY,"
	" user_id TEXT NOT NULL REFERENCES app_user (id),"
	" key_id TEXT NOT NULL,"
	" fingerprint TEXT NOT NULL," /* of the plain key */
	" address TEXT,"
	" second_factor BIGINT NOT NULL CHECK (second_factor IN (0, 1)),"
	" issued_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL);"
	"CREATE INDEX ssh_certificate_expires ON ssh_certificate (expires_ms);"

	"CREATE TABLE ssh_revocation ("
	" id TEXT PRIMARY KEY,"
	" kind TEXT NOT NULL CHECK (kind IN ('serial', 'id', 'key')),"
	" value TEXT NOT NULL,"
	" reason TEXT NOT NULL,"
	" actor TEXT NOT NULL,"
	" at_ms BIGINT NOT NULL,"
	" UNIQUE (kind, value));";

/* Who paused a session, and whether it needs a second engineer. */
static const char session_company[] =
	"ALTER TABLE session ADD COLUMN paused TEXT;"
	"ALTER TABLE session ADD COLUMN four_eyes BIGINT NOT NULL DEFAULT 0;";

/* What engineers want to forward through hosts, for a while. */
static const char forward_wishes[] = "CREATE TABLE forward_wish ("
				     " user_id TEXT NOT NULL REFERENCES app_user (id),"
				     " host_id TEXT NOT NULL REFERENCES host (id),"
				     " forwards TEXT NOT NULL,"
				     " agent BIGINT NOT NULL CHECK (agent IN (0, 1)),"
				     " expires_ms BIGINT NOT NULL,"
				     " PRIMARY KEY (user_id, host_id))";

const struct tl_migration tl_migrations[] = {
	{1, "people and hosts", people_and_hosts, NULL},
	{2, "tickets, bundles and sessions", tickets_and_bundles, NULL},
	{3, "audit trail and outbox", trail, NULL},
	{4, "sessions know their node", session_node, NULL},
	{5, "health of hosts", host_health, NULL},
	{6, "notes of sessions", session_note, NULL},
	{7, "second factor", second_factor, NULL},
	{8, "signed requests and the roster", signed_requests, NULL},
	{9, "SSH authority", ssh_authority, NULL},
	{10, "company in sessions", session_company, NULL},
	{11, "what engineers forward", forward_wishes, NULL},
};
const size_t tl_migration_count = TL_ARRAY_LEN(tl_migrations);
