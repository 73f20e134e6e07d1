/* An entry of the journal as a line of JSON (docs/bundle-format.md). Private to journal.c. */
#ifndef TOWLINE_COLLECT_JOURNAL_ENTRY_H
#define TOWLINE_COLLECT_JOURNAL_ENTRY_H

#include <stddef.h>
#include <systemd/sd-journal.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define JOURNAL_FIELD_MAX (16 * 1024)
#define JOURNAL_LINE_MAX (512 * 1024)

/* Takes secrets out of a text: where JSON's escapes would hide them from who reads the line. */
typedef int journal_redact(void *arg, const char *text, size_t len, struct tl_buf *out,
			   struct tl_err *err);

/* Appends the entry that the journal is at, with its newline. Texts that JSON escapes go through
 * `redact` (NULL: as they are) first. TL_ETOOBIG for a line beyond `out`'s maximum. */
TL_MUST_CHECK int journal_entry_write(sd_journal *journal, journal_redact *redact, void *arg,
				      struct tl_buf *out, struct tl_err *err);

#endif
