/* Cuts a log to a range of time: lines in between are given, a record of several lines (stack trace,
 * DETAIL, …) whole at both ends. A plain file is searched by its time stamps, not read; a compressed
 * one is unpacked as it is read. Private to agent/collect; one thread at a time. */
#ifndef TOWLINE_COLLECT_SLICE_H
#define TOWLINE_COLLECT_SLICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Microseconds of Unix time, both ends included; INT64_MIN and INT64_MAX are open ends. One that was
 * never set (both 0) is open too. */
struct slice_range {
	int64_t since_us, until_us;
};

bool slice_range_is_open(const struct slice_range *range);

struct slice;

struct slice_options {
	struct slice_range range;
	uint64_t max_bytes; /* of more than that the newest records are given */
	int64_t boot_us; /* when this host was started, for stamps that count from there; 0: unknown */
	bool (*stop)(void *arg); /* asked now and then while nothing is given; may be NULL */
	void *arg;
};

/* What was found out about the file. */
struct slice_facts {
	const char *stamps; /* name of the kind of time stamp; NULL: none was recognised */
	bool unpacked;	    /* it was compressed */
	bool cut;	    /* something before or behind the range was left out */
	bool truncated;	    /* older records in the range were left out for max_bytes */
	bool empty;	    /* nothing is in the range */
	bool reaches_back;  /* begins before the range: nothing older than this file is in it */
	bool limited;	    /* unpacking was ended at its limits */
	unsigned reads;	    /* blocks read to find both ends */
};

/* `fd` is of a regular file, stays the caller's, and is read with pread(2) where it is not compressed.
 * A file without stamps is given from a line's beginning on, its end first of all; one whose last
 * modification lies before the range is empty. TL_EIO, TL_ENOMEM; TL_EUNSUPPORTED for an archive of
 * several files. */
TL_MUST_CHECK int slice_open(int fd, const struct slice_options *options, struct slice **ret_slice,
			     struct tl_err *err);
/* Bytes put into `bytes`; 0 at the end or once `stop` said so; negative TL_E*. */
TL_MUST_CHECK ssize_t slice_read(struct slice *slice, void *bytes, size_t len, struct tl_err *err);
const struct slice_facts *slice_facts(const struct slice *slice);
void slice_free(struct slice *slice);
TL_DEFINE_AUTO_PTR(slice, slice_free);

#endif
