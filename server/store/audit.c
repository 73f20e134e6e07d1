#include "store/audit.h"

#include <inttypes.h>
#include <towline/crypto.h>
#include <towline/str.h>

#include "store/backend.h"

#define ENTRY_MAX (1024 * 1024)

/* The end of the chain, or where verification has come to. */
struct link {
	int64_t seq;
	char hash[TL_SHA256_HEX];
};

static int hash_link(const char *previous, const struct tl_buf *entry,
		     char hash[static TL_SHA256_HEX])
{
	uint8_t digest[TL_SHA256_LEN];
	tl_auto(tl_sha256) struct tl_sha256 *sha256 = NULL;

	if (tl_hex_decode(previous, digest, sizeof(digest)) < 0)
		return TL_ESIG;
	sha256 = tl_sha256_new();
	if (!sha256)
		return TL_ENOMEM;
	tl_sha256_update(sha256, digest, sizeof(digest));
	tl_sha256_update(sha256, entry->data, entry->len);
	tl_sha256_final(sha256, digest);
	tl_hex_encode(digest, sizeof(digest), hash);
	return 0;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* The entry as it is hashed and exported. NULL when memory ran out or a text is not UTF-8. */
static json_t *entry_json(int64_t seq, int64_t at_ms, const struct tl_audit_entry *entry)
{
	return json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "seq", (json_int_t)seq, "at_ms",
			 (json_int_t)at_ms, "actor_kind", entry->actor_kind, "actor", entry->actor,
			 "action", entry->action, "object_kind", entry->object_kind, "object",
			 entry->object, "address", text_or_null(entry->address), "detail",
			 entry->detail ? json_deep_copy(entry->detail) : json_null());
}

/* ---- appending ------------------------------------------------------------------------------- */

static int read_head(struct tl_store *store, struct link *ret_head, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	const char *sql = tl_store_is_postgresql(store) && store->in_transaction
				  ? "SELECT seq, hash FROM audit_head WHERE id = 1 FOR UPDATE"
				  : "SELECT seq, hash FROM audit_head WHERE id = 1";
	int r = tl_store_row(store, sql, TL_NO_ARGS, &rows, err);

	if (r < 0)
		return r == TL_ENOENT ? tl_err_set(err, TL_ESIG, "the audit trail has no end") : r;
	ret_head->seq = tl_rows_int(rows, 0);
	snprintf(ret_head->hash, sizeof(ret_head->hash), "%s", tl_rows_text(rows, 1));
	return 0;
}

static int insert(struct tl_store *store, const struct link *link, int64_t at_ms,
		  const struct tl_audit_entry *entry, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf detail = TL_BUF_INIT(ENTRY_MAX);

	if (entry->detail)
		tl_json_write(&detail, entry->detail);
	return tl_store_exec(
		store,
		"INSERT INTO audit (seq, at_ms, actor_kind, actor, action, object_kind, object,"
		" address, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		TL_ARGS(TL_ARG_INT(link->seq), TL_ARG_INT(at_ms), TL_ARG_TEXT(entry->actor_kind),
			TL_ARG_TEXT(entry->actor), TL_ARG_TEXT(entry->action),
			TL_ARG_TEXT(entry->object_kind), TL_ARG_TEXT(entry->object),
			TL_ARG_TEXT(entry->address),
			TL_ARG_TEXT(entry->detail ? tl_buf_str(&detail) : NULL),
			TL_ARG_TEXT(link->hash)),
		NULL, err);
}

static int move_head(struct tl_store *store, const struct link *link, struct tl_err *err)
{
	return tl_store_exec(store, "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1",
			     TL_ARGS(TL_ARG_INT(link->seq), TL_ARG_TEXT(link->hash)), NULL, err);
}

int tl_audit_append(struct tl_store *store, const struct tl_clock *clock,
		    const struct tl_audit_entry *entry, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(ENTRY_MAX);
	int64_t at_ms = tl_clock_wall_ms(clock);
	struct link head, link;
	int r;

	if (!store->in_transaction)
		return tl_err_set(err, TL_EINTERNAL, "an audit entry outside a transaction");
	if ((r = read_head(store, &head, err)))
		return r;
	link.seq = head.seq + 1;
	tl_json *json = entry_json(link.seq, at_ms, entry);

	if (!json)
		return tl_err_set(err, TL_EINVAL, "audit entry \"%s\" is not well-formed",
				  entry->action);
	tl_json_write(&text, json);
	if ((r = tl_buf_check(&text)) || (r = hash_link(head.hash, &text, link.hash)))
		return tl_err_set(err, r, "audit entry \"%s\" after %" PRId64, entry->action,
				  head.seq);
	if ((r = insert(store, &link, at_ms, entry, err)))
		return r;
	return move_head(store, &link, err);
}

/* ---- verifying ------------------------------------------------------------------------------- */

static const char select_all[] =
	"SELECT seq, at_ms, actor_kind, actor, action, object_kind, object, address, detail, hash"
	" FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1000";

static const char *nullable(const struct tl_rows *rows, int column)
{
	return tl_rows_is_null(rows, column) ? NULL : tl_rows_text(rows, column);
}

/* The detail must be the very text that was written, not merely mean the same. */
static int read_detail(const char *text, json_t **ret_detail)
{
	tl_auto(tl_buf) struct tl_buf again = TL_BUF_INIT(ENTRY_MAX);

	if (!text)
		return 0;
	if (tl_json_parse(text, strlen(text), ret_detail, NULL) < 0)
		return TL_ESIG;
	tl_json_write(&again, *ret_detail);
	return tl_streq(tl_buf_str(&again), text) ? 0 : TL_ESIG;
}

/* The current row in its hashed form. */
static int row_text(const struct tl_rows *rows, struct tl_buf *out)
{
	tl_json *detail = NULL;
	int r = read_detail(nullable(rows, 8), &detail);
	const struct tl_audit_entry entry = {
		.actor_kind = tl_rows_text(rows, 2),
		.actor = tl_rows_text(rows, 3),
		.action = tl_rows_text(rows, 4),
		.object_kind = tl_rows_text(rows, 5),
		.object = tl_rows_text(rows, 6),
		.address = nullable(rows, 7),
		.detail = detail,
	};

	if (r < 0)
		return r;
	tl_json *json = entry_json(tl_rows_int(rows, 0), tl_rows_int(rows, 1), &entry);

	if (!json)
		return TL_ESIG;
	tl_json_write(out, json);
	return tl_buf_check(out);
}

static int verify_row(const struct tl_rows *rows, struct link *at, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(ENTRY_MAX);
	char hash[TL_SHA256_HEX];
	int64_t seq = tl_rows_int(rows, 0);

	if (seq != at->seq + 1)
		return tl_err_set(err, TL_ESIG,
				  "audit entry %" PRId64 " is missing: %" PRId64
				  " follows %" PRId64,
				  at->seq + 1, seq, at->seq);
	int r = row_text(rows, &text);

	if (r == 0)
		r = hash_link(at->hash, &text, hash);
	if (r == TL_ENOMEM)
		return tl_err_set(err, r, "out of memory");
	if (r < 0 || !tl_streq(hash, tl_rows_text(rows, 9)))
		return tl_err_set(err, TL_ESIG, "audit entry %" PRId64 " is not what was written",
				  seq);
	at->seq = seq;
	memcpy(at->hash, hash, sizeof(hash));
	return 0;
}

/* In pages, each a result set of its own: the trail may be larger than memory. */
static int walk(struct tl_store *store,
		int (*visit)(const struct tl_rows *rows, void *arg, struct tl_err *err), void *arg,
		struct tl_err *err)
{
	int64_t last = -1;
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		tl_auto(tl_rows) struct tl_rows *rows = NULL;

		more = false;
		r = tl_store_query(store, select_all, TL_ARGS(TL_ARG_INT(last)), &rows, err);
		while (r == 0 && (r = tl_rows_next(rows, err)) == 1) {
			more = true;
			last = tl_rows_int(rows, 0);
			r = visit(rows, arg, err);
		}
	}
	return r;
}

static int verify_visit(const struct tl_rows *rows, void *arg, struct tl_err *err)
{
	return verify_row(rows, arg, err);
}

static int verify_all(struct tl_store *store, void *arg, struct tl_err *err)
{
	struct link *at = arg;
	struct link head;

	*at = (struct link){.seq = 0};
	memset(at->hash, '0', sizeof(at->hash) - 1);
	int r = walk(store, verify_visit, at, err);

	if (r == 0)
		r = read_head(store, &head, err);
	if (r)
		return r;
	if (head.seq != at->seq || !tl_streq(head.hash, at->hash))
		return tl_err_set(err, TL_ESIG,
				  "the audit trail ends at entry %" PRId64
				  ", it should end at %" PRId64,
				  at->seq, head.seq);
	return 0;
}

/* In a transaction: entries and head as of one moment. */
int tl_audit_verify(struct tl_store *store, int64_t *ret_entries, struct tl_err *err)
{
	struct link at;
	int r = tl_store_transaction(store, verify_all, &at, err);

	if (r == 0)
		*ret_entries = at.seq;
	return r;
}

/* ---- exporting ------------------------------------------------------------------------------- */

static int export_visit(const struct tl_rows *rows, void *arg, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(ENTRY_MAX);
	FILE *out = arg;

	if (row_text(rows, &text) < 0)
		return tl_err_set(err, TL_ESIG, "audit entry %" PRId64 " is not what was written",
				  tl_rows_int(rows, 0));
	/* The hash stands outside of what it covers, as the line's last member. */
	fprintf(out, "%.*s,\"hash\":\"%s\"}\n", (int)text.len - 1, text.data,
		tl_rows_text(rows, 9));
	return ferror(out) ? tl_err_set(err, TL_EIO, "cannot write the audit trail") : 0;
}

int tl_audit_export(struct tl_store *store, FILE *out, struct tl_err *err)
{
	int r = walk(store, export_visit, out, err);

	if (r == 0 && fflush(out) != 0)
		return tl_err_set(err, TL_EIO, "cannot write the audit trail");
	return r;
}
