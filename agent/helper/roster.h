/* The roster that this machine believes: the newest that it was shown and that its pinned key signed.
 *
 * Kept in one file of the helper's state, replaced durably, so that no older version is believed again: whoever was
 * taken off it stays off it. */
#ifndef TOWLINE_HELPER_ROSTER_H
#define TOWLINE_HELPER_ROSTER_H

#include <towline/roster.h>
#include <towline/sshkey.h>

struct tl_roster_book {
	int state_fd;			  /* borrowed */
	char *text, *signature;		  /* NULL: never had one */
	char pin[TL_SSH_FINGERPRINT_MAX]; /* that `roster` was verified against; "": not verified yet */
	struct tl_roster roster;
};

/* Reads what is there; a damaged file is TL_EINVAL: failing closed. */
TL_MUST_CHECK int tl_roster_book_open(int state_fd, struct tl_roster_book *ret_book,
				      struct tl_err *err);
/* Takes a newer roster signed by the key `pinned` ("": none is pinned, TL_EDENIED). The same again is fine;
 * TL_EDENIED for an older version, TL_ECONFLICT for another text of the same one. */
TL_MUST_CHECK int tl_roster_book_take(struct tl_roster_book *book, const char *pinned,
				      const char *text, const char *signature, struct tl_err *err);
/* The one that counts: signed by `pinned`, not expired. Borrowed until the next take. */
TL_MUST_CHECK int tl_roster_book_now(struct tl_roster_book *book, const char *pinned,
				     const struct tl_clock *clock,
				     const struct tl_roster **ret_roster, struct tl_err *err);
void tl_roster_book_clear(struct tl_roster_book *book);

#endif
