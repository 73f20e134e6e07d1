/* The key and the map of pseudonyms (redact/identity.h) are the helper's: the collector, whose account is
 * another, reads the key by its right to read and is given the map open. */
#ifndef TOWLINE_HELPER_PSEUDONYMS_H
#define TOWLINE_HELPER_PSEUDONYMS_H

#include <towline/attr.h>
#include <towline/err.h>

/* Makes the key in `state_dir` where there is none, and opens the map for appending. */
TL_MUST_CHECK int tl_pseudonyms_open(const char *state_dir, int *ret_map_fd, struct tl_err *err);

#endif
