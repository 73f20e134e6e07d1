#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "store/backend.h"
#include "store/slots.h"

/* Types of pg_type.dat: arguments are declared, so that the server never guesses a narrower one. */
#define OID_BOOL 16
#define OID_INT8 20
#define OID_TEXT 25

#define INT64_TEXT 24

struct pg_store {
	struct tl_store base;
	PGconn *connection;
	struct tl_slots slots;
};

struct pg_rows {
	struct tl_rows base;
	PGresult *result;
	int row;
};

static struct pg_store *of(struct tl_store *store)
{
	return tl_container_of(store, struct pg_store, base);
}

static inline void pg_result_auto_(PGresult *const *result)
{
	PQclear(*result);
}
#define pg_result tl_cleanup(pg_result_auto_) PGresult

/* ---- errors ---------------------------------------------------------------------------------- */

/* SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html); a whole class by its two digits. */
static const struct {
	const char *state;
	int code;
} error_map[] = {
	{"23505", TL_EEXIST}, {"40001", TL_ECONFLICT}, {"40P01", TL_ECONFLICT},
	{"55P03", TL_EBUSY},  {"57014", TL_ETIMEOUT},  {"53100", TL_ENOSPC},
	{"53200", TL_ENOMEM}, {"42501", TL_EACCES},    {"25006", TL_EACCES},
	{"54", TL_ETOOBIG},   {"22", TL_EINVAL},       {"23", TL_EINVAL},
	{"28", TL_EAUTH},     {"08", TL_EUNREACH},     {"57", TL_EUNREACH},
	{"53", TL_EBUSY},     {"58", TL_EIO},	       {"XX", TL_EIO},
};

static int code_of(const char *state)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(error_map); i++) {
		if (tl_str_starts(state, error_map[i].state))
			return error_map[i].code;
	}
	return TL_EINTERNAL;
}

/* libpq ends its messages with a newline and may use several lines; the first one says it. */
static int first_line(const char *message)
{
	return (int)strcspn(message, "\n");
}

static int report(struct pg_store *store, const PGresult *result, struct tl_err *err)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	int code = state ? code_of(state) : TL_EUNREACH;

	if (!text)
		text = PQerrorMessage(store->connection);
	if (code == TL_ECONFLICT)
		store->base.lost = true;
	return tl_err_set(err, code, "the database says: %.*s", first_line(text), text);
}

static bool succeeded(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static int command(struct pg_store *store, const char *sql, struct tl_err *err)
{
	pg_result *result = PQexec(store->connection, sql);

	return succeeded(result) ? 0 : report(store, result, err);
}

/* ---- connection ------------------------------------------------------------------------------ */

static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

/* Every wait has an end; a relay that froze inside a transaction loses it, and with it the lock. */
static int set_up(struct pg_store *store, struct tl_err *err)
{
	PQsetNoticeReceiver(store->connection, ignore_notice, NULL);
	tl_slots_clear(&store->slots);
	return command(store,
		       "SET lock_timeout = '30s'; SET statement_timeout = '60s';"
		       "SET idle_in_transaction_session_timeout = '60s'",
		       err);
}

/* A connection that was lost (the server restarted) is made anew, but never inside a transaction,
 * whose first half is gone. */
static int ready(struct pg_store *store, struct tl_err *err)
{
	if (PQstatus(store->connection) == CONNECTION_OK)
		return 0;
	if (store->base.in_transaction)
		return tl_err_set(err, TL_EUNREACH, "the connection to the database was lost");
	PQreset(store->connection);
	if (PQstatus(store->connection) != CONNECTION_OK)
		return report(store, NULL, err);
	return set_up(store, err);
}

static void pg_close(struct tl_store *base)
{
	struct pg_store *store = of(base);

	PQfinish(store->connection);
	tl_slots_clear(&store->slots);
	free(store);
}

static int pg_open(const char *url, struct tl_store **ret_store, struct tl_err *err)
{
	/* Before dbname: the URL may say otherwise. After it: it may not. */
	static const char *const names[] = {"connect_timeout", "tcp_user_timeout", "dbname",
					    "client_encoding", "application_name", NULL};
	const char *const values[] = {"10", "30000", url, "UTF8", "towline", NULL};
	struct pg_store *store = calloc(1, sizeof(*store));
	tl_auto(tl_store) struct tl_store *base = store ? &store->base : NULL;

	if (!store)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	base->backend = &tl_store_postgresql;
	store->connection = PQconnectdbParams(names, values, 1);
	if (!store->connection)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	int r = PQstatus(store->connection) == CONNECTION_OK ? set_up(store, err)
							     : report(store, NULL, err);

	if (r == 0)
		*ret_store = tl_steal(&base);
	return r;
}

/* ---- statements ------------------------------------------------------------------------------ */

struct call {
	char key_types[TL_STORE_ARGS_MAX + 2]; /* a letter an argument, then a blank */
	Oid types[TL_STORE_ARGS_MAX];
	const char *values[TL_STORE_ARGS_MAX];
	char numbers[TL_STORE_ARGS_MAX][INT64_TEXT];
};

static void call_fill(struct call *call, const struct tl_store_statement *asked)
{
	static const Oid types[] = {
		[TL_STORE_NULL] = 0, [TL_STORE_INT] = OID_INT8, [TL_STORE_TEXT] = OID_TEXT};

	for (size_t i = 0; i < asked->arg_count; i++) {
		const struct tl_store_arg *arg = &asked->args[i];

		call->key_types[i] = "nit"[arg->type];
		call->types[i] = types[arg->type];
		call->values[i] = arg->type == TL_STORE_TEXT ? arg->text : NULL;
		if (arg->type == TL_STORE_INT) {
			snprintf(call->numbers[i], INT64_TEXT, "%" PRId64, arg->number);
			call->values[i] = call->numbers[i];
		}
	}
	call->key_types[asked->arg_count] = ' ';
	call->key_types[asked->arg_count + 1] = '\0';
}

/* What a NULL is tried as. PostgreSQL infers it from a column that it meets first, but not in
 * "$1 IS NULL OR n = $1". */
static const Oid null_types[] = {0, OID_TEXT, OID_INT8};

static int prepare_as(struct pg_store *store, const struct tl_store_statement *asked,
		      const struct call *call, const char *name, Oid null_type, struct tl_err *err)
{
	Oid types[TL_STORE_ARGS_MAX];

	for (size_t i = 0; i < asked->arg_count; i++)
		types[i] = call->types[i] ? call->types[i] : null_type;
	pg_result *result =
		PQprepare(store->connection, name, asked->sql, (int)asked->arg_count, types);

	return succeeded(result) ? 0 : report(store, result, err);
}

/* As prepare_as, in a savepoint: a type that does not fit shall not doom the transaction. */
static int try_type(struct pg_store *store, const struct tl_store_statement *asked,
		    const struct call *call, const char *name, Oid null_type, struct tl_err *err)
{
	if (!store->base.in_transaction)
		return prepare_as(store, asked, call, name, null_type, err);
	int r = command(store, "SAVEPOINT towline", err);

	if (r < 0)
		return r;
	r = prepare_as(store, asked, call, name, null_type, err);
	if (r == 0)
		return command(store, "RELEASE towline", err);
	int back = command(store, "ROLLBACK TO towline; RELEASE towline", err);

	return back < 0 ? back : r;
}

static int prepare_any(struct pg_store *store, const struct tl_store_statement *asked,
		       const struct call *call, const char *name, struct tl_err *err)
{
	if (!strchr(call->key_types, 'n'))
		return prepare_as(store, asked, call, name, 0, err);
	int r = TL_EINTERNAL;

	for (size_t i = 0; r == TL_EINTERNAL && i < TL_ARRAY_LEN(null_types); i++)
		r = try_type(store, asked, call, name, null_types[i], i == 0 ? err : NULL);
	return r;
}

/* Takes a slot for the statement; the slot's number is its name on the server. */
static int prepare(struct pg_store *store, const struct tl_store_statement *asked,
		   const struct call *call, const char *key, int *ret_slot, struct tl_err *err)
{
	int slot = tl_slots_victim(&store->slots);
	char name[32], sql[64];
	int r = 0;

	snprintf(name, sizeof(name), "towline_%d", slot);
	snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
	if (store->slots.slot[slot].key) {
		r = command(store, sql, err);
		tl_slots_drop(&store->slots, slot);
	}
	if (r == 0)
		r = prepare_any(store, asked, call, name, err);
	if (r < 0)
		return r;
	if (!tl_slots_set(&store->slots, slot, key)) {
		(void)!command(store, sql, NULL);
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	*ret_slot = slot;
	return 0;
}

/* The argument types belong to the key: one text serves NULL and a value with two statements. */
static int find_or_prepare(struct pg_store *store, const struct tl_store_statement *asked,
			   const struct call *call, int *ret_slot, struct tl_err *err)
{
	tl_free char *key = NULL;

	if (asprintf(&key, "%s%s", call->key_types, asked->sql) < 0) {
		key = NULL;
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	*ret_slot = tl_slots_find(&store->slots, key);
	return *ret_slot >= 0 ? 0 : prepare(store, asked, call, key, ret_slot, err);
}

static int run(struct pg_store *store, const struct tl_store_statement *asked,
	       PGresult **ret_result, struct tl_err *err)
{
	struct call call;
	char name[32];
	int slot = -1;
	int r = ready(store, err);

	call_fill(&call, asked);
	if (r == 0)
		r = find_or_prepare(store, asked, &call, &slot, err);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "towline_%d", slot);
	pg_result *result = PQexecPrepared(store->connection, name, (int)asked->arg_count,
					   call.values, NULL, NULL, 0);

	if (!succeeded(result))
		return report(store, result, err);
	*ret_result = tl_steal(&result);
	return 0;
}

static int pg_exec(struct tl_store *base, const struct tl_store_statement *asked,
		   int64_t *ret_changed, struct tl_err *err)
{
	pg_result *result = NULL;
	int r = run(of(base), asked, &result, err);

	if (r == 0 && PQresultStatus(result) == PGRES_COMMAND_OK)
		*ret_changed = strtoll(PQcmdTuples(result), NULL, 10);
	return r;
}

static int pg_script(struct tl_store *base, const char *sql, struct tl_err *err)
{
	int r = ready(of(base), err);

	return r ? r : command(of(base), sql, err);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct pg_rows *rows_of(struct tl_rows *rows)
{
	return tl_container_of(rows, struct pg_rows, base);
}

/* `base` comes first in the struct. */
static const struct pg_rows *reading(const struct tl_rows *rows)
{
	return (const struct pg_rows *)rows;
}

static int pg_query(struct tl_store *base, const struct tl_store_statement *asked,
		    struct tl_rows **ret_rows, struct tl_err *err)
{
	pg_result *result = NULL;
	int r = run(of(base), asked, &result, err);

	if (r < 0)
		return r;
	struct pg_rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	*rows = (struct pg_rows){.base.store = base, .result = tl_steal(&result), .row = -1};
	*ret_rows = &rows->base;
	return 0;
}

static int pg_next(struct tl_rows *base, struct tl_err *err)
{
	struct pg_rows *rows = rows_of(base);

	(void)err;
	if (rows->row < PQntuples(rows->result))
		rows->row++;
	return rows->row < PQntuples(rows->result);
}

static bool pg_is_null(const struct tl_rows *base, int column)
{
	const struct pg_rows *rows = reading(base);

	return PQgetisnull(rows->result, rows->row, column);
}

static int64_t pg_number(const struct tl_rows *base, int column)
{
	const struct pg_rows *rows = reading(base);
	const char *text = PQgetvalue(rows->result, rows->row, column);

	if (PQftype(rows->result, column) == OID_BOOL)
		return text[0] == 't';
	return strtoll(text, NULL, 10);
}

static const char *pg_text(const struct tl_rows *base, int column)
{
	const struct pg_rows *rows = reading(base);

	return PQgetvalue(rows->result, rows->row, column);
}

static void pg_rows_free(struct tl_rows *base)
{
	struct pg_rows *rows = rows_of(base);

	PQclear(rows->result);
	free(rows);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* One writer at a time, as with SQLite: every change ends in the audit chain's last row anyway, so
 * that parallel writers would only run into each other there and start again. The lock comes before
 * BEGIN, since a serialisable snapshot taken while waiting for it would be stale. It is one a schema,
 * and of the connection: it goes when the connection goes. */
#define WRITER_LOCK "(826429, hashtext(current_schema()))"

static int pg_begin(struct tl_store *base, struct tl_err *err)
{
	struct pg_store *store = of(base);
	int r = ready(store, err);

	if (r == 0)
		r = command(store, "SELECT pg_advisory_lock" WRITER_LOCK, err);
	if (r == 0)
		r = command(store, "BEGIN ISOLATION LEVEL SERIALIZABLE", err);
	if (r < 0 && PQstatus(store->connection) == CONNECTION_OK)
		(void)!command(store, "SELECT pg_advisory_unlock_all()", NULL);
	return r;
}

static int pg_commit(struct tl_store *base, struct tl_err *err)
{
	/* After a COMMIT that fails the rest is not run: pg_rollback then unlocks. */
	int r = command(of(base), "COMMIT; SELECT pg_advisory_unlock_all()", err);

	if (r == TL_EUNREACH)
		tl_err_set(err, r,
			   "the connection to the database was lost while committing: "
			   "it may have been done");
	return r;
}

static void pg_rollback(struct tl_store *base)
{
	struct pg_store *store = of(base);

	if (PQstatus(store->connection) == CONNECTION_OK)
		(void)!command(store, "ROLLBACK; SELECT pg_advisory_unlock_all()", NULL);
}

const struct tl_store_backend tl_store_postgresql = {
	.scheme = "postgresql:",
	.open = pg_open,
	.close = pg_close,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.script = pg_script,
	.exec = pg_exec,
	.query = pg_query,
	.next = pg_next,
	.is_null = pg_is_null,
	.number = pg_number,
	.text = pg_text,
	.free = pg_rows_free,
};
