/* Byte ranges (RFC 9110 §14). A request for several ranges is answered as if it asked for none: allowed, and
 * safe against overlapping-range floods. */
#ifndef TOWLINE_SERVER_HTTP_RANGE_H
#define TOWLINE_SERVER_HTTP_RANGE_H

#include <stdint.h>

enum tl_range_result { TL_RANGE_ALL, TL_RANGE_PART, TL_RANGE_UNSATISFIABLE };

/* What `header` (may be NULL) asks of `size` bytes. TL_RANGE_PART sets first byte and length. */
enum tl_range_result tl_range_parse(const char *header, uint64_t size, uint64_t *ret_first,
				    uint64_t *ret_len);

#endif
