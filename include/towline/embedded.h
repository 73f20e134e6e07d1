/* Files that are built into a program (towline_embed in packaging/cmake/Targets.cmake): data that it needs
 * even where nothing is installed. Any thread. */
#ifndef TOWLINE_EMBEDDED_H
#define TOWLINE_EMBEDDED_H

#include <stddef.h>

struct tl_embedded {
	const char *name;	 /* of the file, without directories */
	const char *start, *end; /* its bytes; a NUL stands at *end */
};

#endif
