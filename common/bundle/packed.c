#include "packed.h"

#include <errno.h>

#define TAIL_MAX (128 * 1024) /* tar's own padding, compressed, and a block that was read ahead */

static la_ssize_t read_packed(struct archive *archive, void *arg, const void **ret_bytes)
{
	struct packed *packed = arg;
	ssize_t n;

	do
		n = read(packed->fd, packed->buffer, sizeof packed->buffer);
	while (n < 0 && errno == EINTR);
	*ret_bytes = packed->buffer;
	if (n < 0) {
		tl_err_sys(&packed->fault, TL_EIO, errno, "the bundle cannot be read");
		archive_set_error(archive, EIO, "read");
		return -1;
	}
	packed->bytes += (uint64_t)n;
	if (packed->bytes > packed->max_bytes) {
		tl_err_set(&packed->fault, TL_ETOOBIG, "the bundle is larger than %llu bytes",
			   (unsigned long long)packed->max_bytes);
		archive_set_error(archive, EFBIG, "size");
		return -1;
	}
	if (packed->hash)
		tl_sha256_update(packed->hash, packed->buffer, (size_t)n);
	return n;
}

int bundle_packed_open(struct packed *packed, struct archive *archive, struct tl_err *err)
{
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(archive) != ARCHIVE_OK)
		return tl_err_set(err, TL_EINTERNAL, "this libarchive cannot read zstd");
	if (archive_read_open2(archive, packed, NULL, read_packed, NULL, NULL) == ARCHIVE_OK)
		return 0;
	if (packed->fault.code)
		return tl_err_set(err, packed->fault.code, "%s", tl_err_text(&packed->fault));
	return tl_err_set(err, TL_EINVAL, "this is no bundle, or not a whole one: %s",
			  archive_error_string(archive));
}

int bundle_packed_drain(struct packed *packed, struct tl_err *err)
{
	uint64_t before = packed->bytes;
	const void *bytes;
	la_ssize_t n;
	struct archive *sink = archive_read_new(); /* only carries an error text */

	if (!sink)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	do
		n = read_packed(sink, packed, &bytes);
	while (n > 0 && packed->bytes - before <= TAIL_MAX);
	archive_read_free(sink);
	if (n < 0)
		return tl_err_set(err, packed->fault.code, "%s", tl_err_text(&packed->fault));
	return n == 0 ? 0 : tl_err_set(err, TL_EINVAL, "the bundle goes on behind its end");
}
