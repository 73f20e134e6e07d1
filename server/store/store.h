/* The relay's database: SQLite or PostgreSQL behind one interface, the same SQL text for both.
 *
 * SQL uses $1…$N placeholders (each may stand more than once), INTEGER milliseconds for time, TEXT for
 * JSON, 0/1 for truth, and the common ground of both systems (ON CONFLICT, RETURNING). Where they must
 * differ, tl_store_is_postgresql() chooses. Every change runs in a transaction with its audit entry
 * and its outgoing events (store/audit.h).
 * A store is one connection and belongs to one thread; each worker opens its own. */
#ifndef TOWLINE_SERVER_STORE_H
#define TOWLINE_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_STORE_ARGS_MAX 24
#define TL_STORE_RETRIES 8 /* of a transaction that lost to another one */

struct tl_store;

/* Opens the store at `url` ("sqlite:/path/file.db" or "postgresql://…"). Does not migrate.
 * TL_EUNSUPPORTED for another scheme, TL_EIO, TL_EUNREACH. On failure *ret_store is untouched. */
TL_MUST_CHECK int tl_store_open(const char *url, struct tl_store **ret_store, struct tl_err *err);
void tl_store_close(struct tl_store *store);
TL_DEFINE_AUTO_PTR(tl_store, tl_store_close);

/* Brings the schema to this program's version, one numbered migration a transaction, under a lock so
 * that two relays may try at once. TL_ESCHEMA when the schema is newer than this program. */
TL_MUST_CHECK int tl_store_migrate(struct tl_store *store, struct tl_err *err);
/* 0 when the schema is this program's, else TL_ESCHEMA. */
TL_MUST_CHECK int tl_store_check_schema(struct tl_store *store, struct tl_err *err);
bool tl_store_is_postgresql(const struct tl_store *store);

enum tl_store_arg_type { TL_STORE_NULL, TL_STORE_INT, TL_STORE_TEXT };
struct tl_store_arg {
	enum tl_store_arg_type type;
	int64_t number;
	const char *text; /* borrowed for the call */
};
#define TL_ARG_INT(value) ((struct tl_store_arg){TL_STORE_INT, (int64_t)(value), NULL})
#define TL_ARG_TEXT(value) tl_store_arg_text(value)
static inline struct tl_store_arg tl_store_arg_text(const char *text)
{
	return (struct tl_store_arg){text ? TL_STORE_TEXT : TL_STORE_NULL, 0, text};
}
#define TL_ARGS(...) \
	(const struct tl_store_arg[]){__VA_ARGS__}, \
		sizeof((const struct tl_store_arg[]){__VA_ARGS__}) / sizeof(struct tl_store_arg)
#define TL_NO_ARGS NULL, 0

/* Runs a statement that returns no rows. *ret_changed (may be NULL) receives the rows it touched.
 * TL_EEXIST for a violated UNIQUE or primary key, TL_EINVAL for a violated CHECK, NOT NULL or foreign
 * key, TL_ENOSPC for a full disk, TL_ECONFLICT for a lost serialisation race. */
TL_MUST_CHECK int tl_store_exec(struct tl_store *store, const char *sql,
				const struct tl_store_arg *args, size_t arg_count,
				int64_t *ret_changed, struct tl_err *err);

/* A result set, whole in memory for PostgreSQL, stepped for SQLite. Free it before the next COMMIT. */
struct tl_rows;
TL_MUST_CHECK int tl_store_query(struct tl_store *store, const char *sql,
				 const struct tl_store_arg *args, size_t arg_count,
				 struct tl_rows **ret_rows, struct tl_err *err);
/* 1: *a row is current; 0: no more; negative: error. */
TL_MUST_CHECK int tl_rows_next(struct tl_rows *rows, struct tl_err *err);
bool tl_rows_is_null(const struct tl_rows *rows, int column);
int64_t tl_rows_int(const struct tl_rows *rows, int column);
/* "" for NULL. Valid until the next tl_rows_next. */
const char *tl_rows_text(const struct tl_rows *rows, int column);
void tl_rows_free(struct tl_rows *rows);
TL_DEFINE_AUTO_PTR(tl_rows, tl_rows_free);

/* Query of one row: TL_ENOENT when there is none. The row is current in *ret_rows. */
TL_MUST_CHECK int tl_store_row(struct tl_store *store, const char *sql,
			       const struct tl_store_arg *args, size_t arg_count,
			       struct tl_rows **ret_rows, struct tl_err *err);

/* Runs `body` in one write transaction (BEGIN IMMEDIATE / SERIALIZABLE) and commits when it returns 0.
 * A negative result rolls back and is returned. A transaction that lost to another is rolled back and
 * `body` is called anew, up to TL_STORE_RETRIES times: it must have no other effects. A statement
 * that fails dooms its transaction, as PostgreSQL has it: `body` must return that error (where a row
 * may exist already, say ON CONFLICT instead of catching TL_EEXIST). TL_EBUSY when the write lock
 * could not be had in time. */
TL_MUST_CHECK int tl_store_transaction(struct tl_store *store,
				       int (*body)(struct tl_store *store, void *arg,
						   struct tl_err *err),
				       void *arg, struct tl_err *err);

/* The next value of a row of table `counter` ("ticket", "outbox"), without gaps: inside a transaction,
 * and taken back with it. */
TL_MUST_CHECK int tl_store_next_number(struct tl_store *store, const char *counter,
				       int64_t *ret_number, struct tl_err *err);

/* Copies the whole database, as of one moment, into a new file while others go on working. SQLite only
 * (TL_EUNSUPPORTED: use pg_dump); TL_EEXIST rather than replace. */
TL_MUST_CHECK int tl_store_backup(struct tl_store *store, const char *path, struct tl_err *err);

#endif
