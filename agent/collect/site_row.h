/* Collectors that are written in YAML. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_SITE_ROW_H
#define TOWLINE_COLLECT_SITE_ROW_H

#include <towline/attr.h>
#include <towline/err.h>
#include <towline/yaml.h>

#include "collect/collector.h"

#define SITE_SOURCES_MAX 64

/* Reads one item of "collectors". `ret_row->sources` is allocated (free it); texts belong to `yaml`. */
TL_MUST_CHECK int site_row_read(const struct tl_yaml *yaml, const struct tl_yaml_node *node,
				struct collector *ret_row, struct tl_err *err);

#endif
