/* Large immutable objects (bundles, recordings), one interface; today a directory. Names are ids.
 * A blob grows by appends while it is open (an upload in progress) and is sealed once: from then on it
 * is read-only. Blocking: workers only; one thread at a time per blob. */
#ifndef TOWLINE_SERVER_BLOB_H
#define TOWLINE_SERVER_BLOB_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

struct tl_blobs; /* the place; shared by threads */

/* "file:/path": creates the directory. */
TL_MUST_CHECK int tl_blobs_open(const char *url, struct tl_blobs **ret_blobs, struct tl_err *err);
void tl_blobs_close(struct tl_blobs *blobs);
TL_DEFINE_AUTO_PTR(tl_blobs, tl_blobs_close);

/* A new, empty, open blob: TL_EEXIST when there is one of that name. */
TL_MUST_CHECK int tl_blob_create(struct tl_blobs *blobs, const char *name, struct tl_err *err);
/* Opens for appending / reading; *ret_size is its present length. The caller closes *ret_fd, and
 * fsyncs what it appended before it says so to anybody. Appending to a sealed blob is TL_EACCES. */
TL_MUST_CHECK int tl_blob_append(struct tl_blobs *blobs, const char *name, int *ret_fd,
				 uint64_t *ret_size, struct tl_err *err);
TL_MUST_CHECK int tl_blob_read(struct tl_blobs *blobs, const char *name, int *ret_fd,
			       uint64_t *ret_size, struct tl_err *err);
/* Durable and read-only from now on. */
TL_MUST_CHECK int tl_blob_seal(struct tl_blobs *blobs, const char *name, struct tl_err *err);
/* A missing blob is fine. */
TL_MUST_CHECK int tl_blob_remove(struct tl_blobs *blobs, const char *name, struct tl_err *err);

#endif
