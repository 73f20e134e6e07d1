/* Looking into a bundle, for people and for scripts: what is in it, what was redacted, what went
 * wrong; and unpacking it safely. What comes from the bundle is printed without control characters. Part of
 * towline_bundle. One thread at a time. */
#ifndef TOWLINE_BUNDLE_INSPECT_H
#define TOWLINE_BUNDLE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/sealed.h>

/* Opens the bundle at `path` ("-": standard input) for the functions below: *ret_fd can be read again
 * from its beginning. A sealed one is opened with `key`; without (NULL) the error names recipients and
 * the line for openssl. */
TL_MUST_CHECK int tl_bundle_open(const char *path, const struct tl_unseal_key *key, int *ret_fd,
				 struct tl_err *err);
/* The same of a file that is open. */
TL_MUST_CHECK int tl_bundle_reopen(int fd, const char *name, const struct tl_unseal_key *key,
				   int *ret_fd, struct tl_err *err);

/* Checks the bundle read from `fd` (tl_bundle_check, default limits) and prints manifest summary, files
 * as a tree, findings, redactions and errors to `out`; as one JSON object when `json`. A bundle that
 * fails the check prints nothing. */
TL_MUST_CHECK int tl_bundle_inspect(int fd, FILE *out, bool json, struct tl_err *err);

struct tl_bundle_search {
	const char *text;
	bool is_regex; /* POSIX extended */
	bool json;     /* a line {"file", "line", "text"} each */
	uint64_t max;  /* lines that are printed; all are counted; 0: all */
};
/* Prints each line of each member that holds the text, "file:line: text". Lines are looked at up to 64 KiB.
 * TL_EINVAL for an expression that does not compile. */
TL_MUST_CHECK int tl_bundle_search(int fd, const struct tl_bundle_search *search, FILE *out,
				   uint64_t *ret_found, struct tl_err *err);

/* Prints one member. Its bytes as they are, unless `out` is a terminal. TL_ENOENT names those that are
 * alike. */
TL_MUST_CHECK int tl_bundle_show(int fd, const char *path, FILE *out, struct tl_err *err);

struct tl_bundle_signature {
	const char *path;	 /* of a file with the JWS */
	const char *public_key;	 /* the host's, 43 characters base64url; NULL: not checked */
	const char *file_sha256; /* of the file as it was sent; NULL: as `fd` is */
};
/* Does the signature fit the bundle? TL_ESIG says in what not. */
TL_MUST_CHECK int tl_bundle_verify(int fd, const struct tl_bundle_signature *signature,
				   struct tl_err *err);

/* Unpacks the bundle read from `fd` below `directory` (made with mode 0700 when it is not there),
 * without its top directory; files get mode 0600. TL_EEXIST rather than replace a file. Members are
 * written as they come: a fault later in the bundle leaves the earlier ones behind, and the error. */
TL_MUST_CHECK int tl_bundle_extract(int fd, const char *directory, struct tl_err *err);

#endif
