/* The map of pseudonyms: which original each stands for. A file of lines "class<TAB>pseudonym<TAB>original" in a state
 * directory, mode 0600, that never leaves the host. Processes append to it at the same time; when it has
 * grown it is rewritten without its repetitions and, beyond its bound, without its oldest lines. */
#ifndef TOWLINE_REDACT_IDENTITY_MAP_H
#define TOWLINE_REDACT_IDENTITY_MAP_H

#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define TL_PSEUDONYM_MAP_FILE "pseudonyms.map"
#define TL_IDENTITY_MAP_BYTES_MAX (16 * 1024 * 1024)
#define TL_IDENTITY_MAP_LINES_MAX 200000

/* Opens the map for appending, makes it when there is none, and rewrites one that has grown.
 * TL_EACCES when others can read it. The caller closes *ret_fd. */
TL_MUST_CHECK int tl_identity_map_open(const char *state_dir, int *ret_fd, struct tl_err *err);

void tl_identity_map_line(struct tl_buf *out, const char *class, const char *pseudonym,
			  const char *original);
/* Writes the lines and empties the buffer. Beyond twice the bound nothing is written (0): the next open makes room. */
TL_MUST_CHECK int tl_identity_map_append(int fd, struct tl_buf *lines, struct tl_err *err);

struct tl_identity_map; /* read, for looking up */
TL_MUST_CHECK int tl_identity_map_load(const char *state_dir, struct tl_identity_map **ret_map,
				       struct tl_err *err);
/* The original; NULL when it is not known. Lives as long as the map. */
const char *tl_identity_map_find(const struct tl_identity_map *map, const char *pseudonym,
				 size_t len);
/* Appends the text with each pseudonym that the map knows replaced by its original. */
void tl_identity_map_reveal(const struct tl_identity_map *map, const char *bytes, size_t len,
			    struct tl_buf *out);
void tl_identity_map_free(struct tl_identity_map *map);
TL_DEFINE_AUTO_PTR(tl_identity_map, tl_identity_map_free);

#endif
