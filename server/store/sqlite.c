#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "store/backend.h"
#include "store/slots.h"
#include "store/turn.h"

#define BUSY_TIMEOUT_MS 10000

struct sqlite_store {
	struct tl_store base;
	sqlite3 *db;
	bool has_turn; /* to write: during a transaction */
	struct tl_slots slots;
	sqlite3_stmt *statements[TL_SLOTS];
};

struct sqlite_rows {
	struct tl_rows base;
	sqlite3_stmt *statement;
	int slot;     /* -1: the statement is this result's own */
	bool stepped; /* a row waits that the query itself has fetched */
};

static struct sqlite_store *of(struct tl_store *store)
{
	return tl_container_of(store, struct sqlite_store, base);
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Extended codes (sqlite.org/rescode.html) first, then what remains by primary code. */
static const struct {
	int status;
	int code;
} error_map[] = {
	{SQLITE_CONSTRAINT_UNIQUE, TL_EEXIST},
	{SQLITE_CONSTRAINT_PRIMARYKEY, TL_EEXIST},
	{SQLITE_CONSTRAINT_ROWID, TL_EEXIST},
	{SQLITE_BUSY_SNAPSHOT, TL_ECONFLICT},
	{SQLITE_CONSTRAINT, TL_EINVAL},
	{SQLITE_MISMATCH, TL_EINVAL},
	{SQLITE_FULL, TL_ENOSPC},
	{SQLITE_BUSY, TL_EBUSY},
	{SQLITE_LOCKED, TL_EBUSY},
	{SQLITE_NOMEM, TL_ENOMEM},
	{SQLITE_TOOBIG, TL_ETOOBIG},
	{SQLITE_IOERR, TL_EIO},
	{SQLITE_CANTOPEN, TL_EIO},
	{SQLITE_READONLY, TL_EACCES},
	{SQLITE_PERM, TL_EACCES},
	{SQLITE_CORRUPT, TL_EIO},
	{SQLITE_NOTADB, TL_EIO},
};

static int code_of(int status)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(error_map); i++) {
		if (error_map[i].status == status || error_map[i].status == (status & 0xff))
			return error_map[i].code;
	}
	return TL_EINTERNAL;
}

static int report(struct sqlite_store *store, int status, struct tl_err *err)
{
	/* SQLite does not keep the number of a failed COMMIT; errno still has it. */
	int sys_errno = sqlite3_system_errno(store->db) ? sqlite3_system_errno(store->db) : errno;
	int code = code_of(status);

	if (code == TL_ECONFLICT)
		store->base.lost = true;
	/* EFBIG: the limit on file size that the process runs under. */
	if (code == TL_EIO && (sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG))
		code = TL_ENOSPC;
	return tl_err_set(err, code, "the database says: %s", sqlite3_errmsg(store->db));
}

/* ---- statements ------------------------------------------------------------------------------ */

static int bind_one(sqlite3_stmt *statement, int index, const struct tl_store_arg *arg)
{
	switch (arg->type) {
	case TL_STORE_INT:
		return sqlite3_bind_int64(statement, index, arg->number);
	case TL_STORE_TEXT:
		return sqlite3_bind_text(statement, index, arg->text, -1, SQLITE_TRANSIENT);
	case TL_STORE_NULL:
		break;
	}
	return sqlite3_bind_null(statement, index);
}

/* SQLite numbers its parameters by appearance; their names "$N" say which argument is meant. */
static int bind(struct sqlite_store *store, sqlite3_stmt *statement,
		const struct tl_store_statement *asked, struct tl_err *err)
{
	int count = sqlite3_bind_parameter_count(statement);

	for (int i = 1; i <= count; i++) {
		const char *name = sqlite3_bind_parameter_name(statement, i);
		uint64_t number = 0;

		if (!name || name[0] != '$' || tl_str_u64(name + 1, asked->arg_count, &number) ||
		    number == 0 || !asked->args)
			return tl_err_set(err, TL_EINTERNAL, "no argument for %s in: %s",
					  name ? name : "?", asked->sql);
		int status = bind_one(statement, i, &asked->args[number - 1]);

		if (status != SQLITE_OK)
			return report(store, status, err);
	}
	return 0;
}

static int prepare(struct sqlite_store *store, const char *sql, sqlite3_stmt **ret_statement,
		   struct tl_err *err)
{
	int status = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
					ret_statement, NULL);

	return status == SQLITE_OK ? 0 : report(store, status, err);
}

/* The statement of `sql`, from its slot or new. *ret_slot is -1 when all slots are being read. */
static int take(struct sqlite_store *store, const char *sql, sqlite3_stmt **ret_statement,
		int *ret_slot, struct tl_err *err)
{
	int slot = tl_slots_find(&store->slots, sql);

	if (slot >= 0) {
		*ret_statement = store->statements[slot];
		*ret_slot = slot;
		return 0;
	}
	int r = prepare(store, sql, ret_statement, err);

	if (r < 0)
		return r;
	slot = tl_slots_victim(&store->slots);
	if (slot >= 0) {
		sqlite3_finalize(tl_steal(&store->statements[slot]));
		if (tl_slots_set(&store->slots, slot, sql))
			store->statements[slot] = *ret_statement;
		else
			slot = -1;
	}
	*ret_slot = slot;
	return 0;
}

static void give_back(struct sqlite_store *store, sqlite3_stmt *statement, int slot)
{
	if (slot < 0) {
		sqlite3_finalize(statement);
		return;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	store->slots.slot[slot].busy = false;
}

static int run(struct sqlite_store *store, sqlite3_stmt *statement, int64_t *ret_changed,
	       struct tl_err *err)
{
	int64_t before = sqlite3_total_changes64(store->db);
	int status;

	while ((status = sqlite3_step(statement)) == SQLITE_ROW)
		;
	if (status != SQLITE_DONE)
		return report(store, status, err);
	/* sqlite3_changes() keeps the number of an earlier statement when this one is none that
	 * changes rows. */
	if (sqlite3_total_changes64(store->db) != before)
		*ret_changed = sqlite3_changes64(store->db);
	return 0;
}

/* A write outside a transaction is a turn of its own. */
static int run_in_turn(struct sqlite_store *store, sqlite3_stmt *statement, int64_t *ret_changed,
		       struct tl_err *err)
{
	int r;

	if (store->has_turn || sqlite3_stmt_readonly(statement))
		return run(store, statement, ret_changed, err);
	if ((r = tl_turn_take(BUSY_TIMEOUT_MS, err)))
		return r;
	r = run(store, statement, ret_changed, err);
	/* Ends the statement, and with it its transaction, before the next one's turn. */
	sqlite3_reset(statement);
	tl_turn_give();
	return r;
}

static int sqlite_exec(struct tl_store *base, const struct tl_store_statement *asked,
		       int64_t *ret_changed, struct tl_err *err)
{
	struct sqlite_store *store = of(base);
	sqlite3_stmt *statement;
	int slot;
	int r = take(store, asked->sql, &statement, &slot, err);

	if (r < 0)
		return r;
	r = bind(store, statement, asked, err);
	if (r == 0)
		r = run_in_turn(store, statement, ret_changed, err);
	give_back(store, statement, slot);
	return r;
}

static int sqlite_script(struct tl_store *base, const char *sql, struct tl_err *err)
{
	struct sqlite_store *store = of(base);
	int status = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return status == SQLITE_OK ? 0 : report(store, status, err);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct sqlite_rows *rows_of(struct tl_rows *rows)
{
	return tl_container_of(rows, struct sqlite_rows, base);
}

/* `base` comes first in the struct. */
static const struct sqlite_rows *reading(const struct tl_rows *rows)
{
	return (const struct sqlite_rows *)rows;
}

static void sqlite_rows_free(struct tl_rows *base)
{
	struct sqlite_rows *rows = rows_of(base);

	give_back(of(base->store), rows->statement, rows->slot);
	free(rows);
}

static int sqlite_query(struct tl_store *base, const struct tl_store_statement *asked,
			struct tl_rows **ret_rows, struct tl_err *err)
{
	struct sqlite_store *store = of(base);
	struct sqlite_rows *rows = calloc(1, sizeof(*rows));
	int r = rows ? take(store, asked->sql, &rows->statement, &rows->slot, err)
		     : tl_err_set(err, TL_ENOMEM, "out of memory");

	if (r < 0) {
		free(rows);
		return r;
	}
	rows->base.store = base;
	if (rows->slot >= 0)
		store->slots.slot[rows->slot].busy = true;
	r = bind(store, rows->statement, asked, err);
	if (r < 0)
		sqlite_rows_free(&rows->base);
	else
		*ret_rows = &rows->base;
	return r;
}

static int sqlite_next(struct tl_rows *base, struct tl_err *err)
{
	struct sqlite_rows *rows = rows_of(base);

	/* A step beyond the end would start the statement anew. */
	if (rows->stepped && !sqlite3_stmt_busy(rows->statement))
		return 0;
	rows->stepped = true;
	int status = sqlite3_step(rows->statement);

	if (status == SQLITE_ROW)
		return 1;
	if (status != SQLITE_DONE)
		return report(of(base->store), status, err);
	sqlite3_reset(rows->statement);
	return 0;
}

static bool sqlite_is_null(const struct tl_rows *rows, int column)
{
	return sqlite3_column_type(reading(rows)->statement, column) == SQLITE_NULL;
}

static int64_t sqlite_number(const struct tl_rows *rows, int column)
{
	return sqlite3_column_int64(reading(rows)->statement, column);
}

static const char *sqlite_text(const struct tl_rows *rows, int column)
{
	const unsigned char *text = sqlite3_column_text(reading(rows)->statement, column);

	return text ? (const char *)text : "";
}

/* ---- transactions ---------------------------------------------------------------------------- */

static int command(struct tl_store *store, const char *sql, struct tl_err *err)
{
	int64_t changed;

	return sqlite_exec(store, &(struct tl_store_statement){.sql = sql}, &changed, err);
}

static void give_turn(struct sqlite_store *store)
{
	if (store->has_turn)
		tl_turn_give();
	store->has_turn = false;
}

static int sqlite_begin(struct tl_store *store, struct tl_err *err)
{
	int r = tl_turn_take(BUSY_TIMEOUT_MS, err);

	if (r < 0)
		return r;
	of(store)->has_turn = true;
	r = command(store, "BEGIN IMMEDIATE", err);
	if (r < 0)
		give_turn(of(store));
	return r;
}

static int sqlite_commit(struct tl_store *store, struct tl_err *err)
{
	int r = command(store, "COMMIT", err);

	if (r == 0)
		give_turn(of(store));
	return r;
}

static void sqlite_rollback(struct tl_store *store)
{
	/* A full disk or lack of memory has rolled back already. */
	if (!sqlite3_get_autocommit(of(store)->db))
		(void)!command(store, "ROLLBACK", NULL);
	give_turn(of(store));
}

/* ---- life ------------------------------------------------------------------------------------ */

static void sqlite_close(struct tl_store *base)
{
	struct sqlite_store *store = of(base);

	for (int i = 0; i < TL_SLOTS; i++)
		sqlite3_finalize(store->statements[i]);
	tl_slots_clear(&store->slots);
	sqlite3_close_v2(store->db);
	free(store);
}

/* Made by us rather than by SQLite: for the owner only, and with the reason when it fails. One that is
 * there must not be opened: closing any descriptor of it drops the POSIX locks that SQLite holds in
 * this process (sqlite.org/howtocorrupt.html §2.2), and another process would delete the log in use. */
static int make_file(const char *path, struct tl_err *err)
{
	tl_fd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd >= 0 || errno == EEXIST)
		return 0;
	return tl_err_sys(err, TL_EIO, errno, "database %s", path);
}

/* The switch to WAL needs the file alone and does not wait by itself: of several programs that open a
 * new database at once, all but one would fail. */
static int use_wal(struct sqlite_store *store, struct tl_err *err)
{
	int64_t deadline = tl_clock_mono_ms(tl_clock_system()) + BUSY_TIMEOUT_MS;
	int r;

	do {
		r = sqlite_script(&store->base, "PRAGMA journal_mode = WAL", err);
		if (r == TL_EBUSY)
			sqlite3_sleep(5);
	} while (r == TL_EBUSY && tl_clock_mono_ms(tl_clock_system()) < deadline);
	return r;
}

static int set_up(struct sqlite_store *store, struct tl_err *err)
{
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* "x" is a column or an error, never a string: as in PostgreSQL. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	int r = use_wal(store, err);

	return r ? r
		 : sqlite_script(&store->base,
				 "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA temp_store = MEMORY",
				 err);
}

static int sqlite_open(const char *url, struct tl_store **ret_store, struct tl_err *err)
{
	const char *path = url + strlen(tl_store_sqlite.scheme);
	int r = *path ? make_file(path, err)
		      : tl_err_set(err, TL_EINVAL, "the store's URL names no file: sqlite:PATH");

	if (r < 0)
		return r;
	tl_auto(tl_store) struct tl_store *base = NULL;
	struct sqlite_store *store = calloc(1, sizeof(*store));

	if (!store)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	base = &store->base;
	base->backend = &tl_store_sqlite;
	int status =
		sqlite3_open_v2(path, &store->db,
				SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
				NULL);

	r = status == SQLITE_OK ? set_up(store, err) : report(store, status, err);
	if (r < 0)
		return tl_err_prefix(err, "database %s", path), r;
	*ret_store = tl_steal(&base);
	return 0;
}

/* ---- backup ---------------------------------------------------------------------------------- */

static int copy_all(struct sqlite_store *store, sqlite3 *target, struct tl_err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(target, "main", store->db, "main");

	/* One step: a reader's snapshot, so that writers neither wait nor restart it. */
	if (backup)
		sqlite3_backup_step(backup, -1);
	int status = backup ? sqlite3_backup_finish(backup) : sqlite3_errcode(target);

	if (status == SQLITE_OK)
		return 0;
	return tl_err_set(err, code_of(status), "backup: %s", sqlite3_errmsg(target));
}

int tl_store_backup(struct tl_store *base, const char *path, struct tl_err *err)
{
	if (base->backend != &tl_store_sqlite)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "use pg_dump to back up a PostgreSQL store");
	tl_fd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return tl_err_sys(err, errno == EEXIST ? TL_EEXIST : TL_EIO, errno, "backup %s",
				  path);
	sqlite3 *target = NULL;
	int r = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	r = r == SQLITE_OK ? copy_all(of(base), target, err)
			   : tl_err_set(err, TL_EIO, "backup %s: %s", path, sqlite3_errmsg(target));
	sqlite3_close_v2(target);
	if (r < 0)
		unlink(path);
	return r;
}

const struct tl_store_backend tl_store_sqlite = {
	.scheme = "sqlite:",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.script = sqlite_script,
	.exec = sqlite_exec,
	.query = sqlite_query,
	.next = sqlite_next,
	.is_null = sqlite_is_null,
	.number = sqlite_number,
	.text = sqlite_text,
	.free = sqlite_rows_free,
};
