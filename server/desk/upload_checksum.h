/* Upload-Checksum (tus 1.0, checksum extension): the hash of one PATCH's bytes, checked before they count.
 * Workers only. */
#ifndef TOWLINE_SERVER_UPLOAD_CHECKSUM_H
#define TOWLINE_SERVER_UPLOAD_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_TUS_CHECKSUMS "sha256,sha1"

struct tl_upload_checksum;

/* Reads the header, "ALGORITHM BASE64". TL_EPROTO (400, as tus has it) for another algorithm or form. */
TL_MUST_CHECK int tl_upload_checksum_new(const char *header,
					 struct tl_upload_checksum **ret_checksum,
					 struct tl_err *err);
void tl_upload_checksum_update(struct tl_upload_checksum *checksum, const void *bytes, size_t len);
/* Were those the bytes? Once. */
bool tl_upload_checksum_fits(struct tl_upload_checksum *checksum);
void tl_upload_checksum_free(struct tl_upload_checksum *checksum);
TL_DEFINE_AUTO_PTR(tl_upload_checksum, tl_upload_checksum_free);

#endif
