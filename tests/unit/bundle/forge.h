/* Makes bundles for tests, right ones and wrong ones, without the writer under test. */
#ifndef TOWLINE_TEST_FORGE_H
#define TOWLINE_TEST_FORGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/buf.h>

#define FORGE_ID "01j9zs2b5d0000000000000000"

struct forge;

struct forge *forge_new(void);
/* A member with its full name in the archive; listed in the index when `listed`. */
void forge_file(struct forge *forge, const char *path, const void *bytes, size_t len, bool listed);
/* MANIFEST.json, as it should be. */
void forge_manifest(struct forge *forge);
/* A member of any kind: AE_IFLNK with `target`, AE_IFCHR, … */
void forge_special(struct forge *forge, const char *path, mode_t type, const char *target,
		   bool hard);
/* redaction/report.json and errors.jsonl. */
void forge_reports(struct forge *forge);
/* Adds an entry to the index for what is not there, or is different. */
void forge_list(struct forge *forge, const char *path, int64_t size, const char *sha256);
/* INDEX.json over what was listed. */
void forge_index(struct forge *forge);
/* Ends the archive and gives it as a descriptor at its beginning; frees the forge. */
int forge_finish(struct forge *forge);
/* The same as bytes; the caller free()s them. */
char *forge_bytes(struct forge *forge, size_t *ret_len);
/* A descriptor that reads `bytes`. */
int forge_fd(const void *bytes, size_t len);
/* A whole right bundle with one file, data/a.txt, "hello\n". */
struct forge *forge_sound(void);

#endif
