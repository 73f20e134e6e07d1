/* Whose turn it is to write to SQLite, among the threads of this process. SQLite itself makes a writer
 * that finds the database taken sleep and look again, by luck and up to 100 ms at a time: with several
 * workers under load some would never be lucky. Here the next one goes on at once. */
#ifndef TOWLINE_SERVER_STORE_TURN_H
#define TOWLINE_SERVER_STORE_TURN_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

/* First come, first served. TL_EBUSY when the turn did not come within `wait_ms`. */
TL_MUST_CHECK int tl_turn_take(int64_t wait_ms, struct tl_err *err);
void tl_turn_give(void);

#endif
