#include "tree.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
	DEPTH_MAX = 8,     /* the deepest key needs five */
	NODES_MAX = 65536, /* a tree of a whole file stays below 10 MB */
};

/* The character at @p s and its octets, RFC 3629; 0 octets when it is none. */
static size_t decode(const uint8_t *s, size_t n, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t len = s[0] < 0x80       ? 1
			   : s[0] >> 5 == 6  ? 2
			   : s[0] >> 4 == 14 ? 3
			   : s[0] >> 3 == 30 ? 4
					     : 0;

	if (len == 0 || len > n) {
		return 0;
	}
	uint32_t c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 2) {
			return 0;
		}
		c = c << 6 | (s[i] & 0x3fu);
	}
	/* overlong forms, surrogates and numbers beyond Unicode */
	if (c < least[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) {
		return 0;
	}
	*out = c;
	return len;
}

/* What an editor shows and YAML takes; no second kind of line end (NEL, LS, PS), no BOM. */
static bool is_printable(uint32_t c)
{
	return (c >= 0x20 && c <= 0x7e) ||
	       (c >= 0xa0 && c <= 0xfffd && c != 0x2028 && c != 0x2029 && c != 0xfeff) ||
	       c >= 0x10000;
}

static void report_character(struct fl__config_problems *p, const struct fl__config_mark *at,
			     size_t octets, uint32_t c)
{
	if (octets == 0) {
		fl__config_problem(p, at, "not UTF-8, UTF-8 expected");
	} else if (c == '\t') {
		fl__config_problem(p, at, "a tab, spaces expected");
	} else {
		fl__config_problem(p, at, "the character U+%04X, printable text expected",
				   (unsigned)c);
	}
}

/* Every line with a character that may not stand in a file, said before YAML is tried. */
static void check_characters(const char *text, size_t len, const char *file,
			     struct fl__config_problems *p)
{
	struct fl__config_mark at = { .file = file, .line = 1, .column = 1 };
	size_t reported = 0;

	for (size_t i = 0; i < len;) {
		uint32_t c = 0;
		const size_t octets = decode((const uint8_t *)text + i, len - i, &c);
		const bool line_end =
			c == '\n' || (c == '\r' && (i + 1 == len || text[i + 1] != '\n'));
		const bool fine = octets > 0 && (is_printable(c) || c == '\n' || c == '\r');
		if (!fine && reported != at.line) {
			report_character(p, &at, octets, c);
			reported = at.line;
		}
		i += octets > 0 ? octets : 1;
		at.line += line_end;
		at.column = line_end ? 1 : at.column + 1;
	}
}

struct frame {
	struct fl__config_node *node, *last; /* a list or mapping, its newest child */
	struct fl__config_node *key;         /* waits for its value */
};

struct builder {
	struct fl__config_problems *problems;
	const char *file;
	struct fl__config_node *root;
	struct frame stack[DEPTH_MAX];
	size_t depth, n_nodes, n_documents;
	bool done;       /* no event is wanted any more */
	enum fl_err err; /* FL_EINVALID: there is no whole tree */
};

static struct fl__config_mark mark_of(const struct builder *b, const yaml_mark_t *m)
{
	return (struct fl__config_mark){ b->file, m->line + 1, m->column + 1 };
}

static void give_up(struct builder *b, const struct fl__config_mark *at, const char *why)
{
	fl__config_problem(b->problems, at, "%s", why);
	b->err = FL_EINVALID;
	b->done = true;
}

/* Hang @p node where the open list or mapping wants its next child. */
static void attach(struct builder *b, struct fl__config_node *node)
{
	if (b->depth == 0) {
		b->root = node;
		return;
	}
	struct frame *top = &b->stack[b->depth - 1];
	if (top->key != NULL) {
		top->key->value = node;
		top->key = NULL;
		return;
	}
	if (top->last == NULL) {
		top->node->first = node;
	} else {
		top->last->next = node;
	}
	top->last = node;
	if (top->node->kind == FL__MAPPING) {
		top->key = node;
		if (node->kind != FL__SCALAR) {
			node->skip = true;
			fl__config_problem(b->problems, &node->mark,
					   "a list or mapping as a key, a name expected");
		}
	}
}

static struct fl__config_node *add(struct builder *b, enum fl__config_node_kind kind,
				   const yaml_event_t *e, const yaml_char_t *anchor,
				   const yaml_char_t *tag)
{
	const struct fl__config_mark at = mark_of(b, &e->start_mark);

	if (anchor != NULL) {
		fl__config_problem(b->problems, &at, "an anchor, plain values expected");
	}
	if (tag != NULL) {
		fl__config_problem(b->problems, &at, "a tag, plain values expected");
	}
	if (++b->n_nodes > NODES_MAX) {
		give_up(b, &at, "too many values, at most 65536 expected");
		return NULL;
	}
	struct fl__config_node *node = calloc(1, sizeof(*node));
	if (node == NULL) {
		b->err = FL_ENOMEM;
		b->done = true;
		return NULL;
	}
	node->kind = kind;
	node->mark = at;
	attach(b, node);
	return node;
}

static void push(struct builder *b, struct fl__config_node *node)
{
	if (node == NULL) {
		return;
	}
	if (b->depth == DEPTH_MAX) {
		give_up(b, &node->mark, "nested too deep, at most 8 levels expected");
		return;
	}
	b->stack[b->depth++] = (struct frame){ .node = node };
}

/* An escape such as \0 or \n puts into a value what no file may hold. */
static void check_scalar(struct builder *b, struct fl__config_node *node, const uint8_t *s,
			 size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		const size_t octets = decode(s + i, n - i, &c);
		if (octets == 0 || !is_printable(c)) {
			fl__config_problem(b->problems, &node->mark,
					   "a value with the character U+%04X, "
					   "one line of printable text expected",
					   (unsigned)c);
			node->skip = true;
			return;
		}
		i += octets;
	}
}

static bool stands_for_nothing(const yaml_event_t *e)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	const char *text = (const char *)e->data.scalar.value;

	for (size_t i = 0;
	     e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && i < FL_COUNT(nulls); i++) {
		if (strcmp(text, nulls[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void add_scalar(struct builder *b, const yaml_event_t *e)
{
	struct fl__config_node *node =
		add(b, FL__SCALAR, e, e->data.scalar.anchor, e->data.scalar.tag);

	if (node == NULL) {
		return;
	}
	node->null = stands_for_nothing(e);
	node->text = strdup((const char *)e->data.scalar.value);
	if (node->text == NULL) {
		b->err = FL_ENOMEM;
		b->done = true;
		return;
	}
	check_scalar(b, node, e->data.scalar.value, e->data.scalar.length);
}

static int by_text_and_place(const void *a, const void *b)
{
	const struct fl__config_node *const *x = a, *const *y = b;
	const int order = strcmp((*x)->text, (*y)->text);

	if (order != 0) {
		return order;
	}
	if ((*x)->mark.line != (*y)->mark.line) {
		return (*x)->mark.line < (*y)->mark.line ? -1 : 1;
	}
	return (*x)->mark.column < (*y)->mark.column ? -1 : 1;
}

static void report_duplicates(struct builder *b, struct fl__config_node **keys, size_t n)
{
	const struct fl__config_node *first = n > 0 ? keys[0] : NULL;

	qsort(keys, n, sizeof(struct fl__config_node *), by_text_and_place);
	for (size_t i = 0; i < n; i++) {
		char quoted[FL__QUOTED_MAX];
		if (i == 0 || strcmp(keys[i]->text, first->text) != 0) {
			first = keys[i];
			continue;
		}
		keys[i]->skip = true;
		fl__config_problem(
			b->problems, &keys[i]->mark,
			"the key %s is given twice, once expected, first at %s:%zu:%zu",
			fl__config_quote(keys[i]->text, quoted), first->mark.file,
			first->mark.line, first->mark.column);
	}
}

/* Sorted, so that a file of nothing but keys does not cost their square. */
static void find_duplicates(struct builder *b, const struct fl__config_node *mapping)
{
	size_t n = 0;

	for (const struct fl__config_node *k = mapping->first; k != NULL; k = k->next) {
		n += !k->skip;
	}
	if (n < 2) {
		return;
	}
	struct fl__config_node **keys = calloc(n, sizeof(struct fl__config_node *));
	if (keys == NULL) {
		b->err = FL_ENOMEM;
		b->done = true;
		return;
	}
	n = 0;
	for (struct fl__config_node *k = mapping->first; k != NULL; k = k->next) {
		if (!k->skip) {
			keys[n++] = k;
		}
	}
	report_duplicates(b, keys, n);
	free(keys);
}

static void pop(struct builder *b)
{
	assert(b->depth > 0);
	const struct fl__config_node *node = b->stack[--b->depth].node;

	if (node->kind == FL__MAPPING) {
		find_duplicates(b, node);
	}
}

static void begin_document(struct builder *b, const yaml_event_t *e)
{
	const struct fl__config_mark at = mark_of(b, &e->start_mark);

	if (b->n_documents++ > 0) {
		give_up(b, &at, "a second document, one expected");
	}
}

static void on_event(struct builder *b, const yaml_event_t *e)
{
	const struct fl__config_mark at = mark_of(b, &e->start_mark);

	switch (e->type) {
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return;
	case YAML_STREAM_END_EVENT:
		b->done = true;
		return;
	case YAML_DOCUMENT_START_EVENT:
		begin_document(b, e);
		return;
	case YAML_ALIAS_EVENT:
		give_up(b, &at, "an alias, plain values expected");
		return;
	case YAML_SCALAR_EVENT:
		add_scalar(b, e);
		return;
	case YAML_SEQUENCE_START_EVENT:
		push(b, add(b, FL__SEQUENCE, e, e->data.sequence_start.anchor,
			    e->data.sequence_start.tag));
		return;
	case YAML_MAPPING_START_EVENT:
		push(b, add(b, FL__MAPPING, e, e->data.mapping_start.anchor,
			    e->data.mapping_start.tag));
		return;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		pop(b);
		return;
	}
}

static void report_syntax(struct builder *b, const yaml_parser_t *parser)
{
	const struct fl__config_mark at = mark_of(b, &parser->problem_mark);

	b->err = parser->error == YAML_MEMORY_ERROR ? FL_ENOMEM : FL_EINVALID;
	if (b->err == FL_ENOMEM) {
		return;
	}
	/* [127.0.0.1, ::1] is what people write first */
	const bool bare = parser->problem != NULL &&
			  strcmp(parser->problem, "did not find expected node content") == 0;
	fl__config_problem(b->problems, &at, "not YAML, %s%s%s%s",
			   parser->problem != NULL ? parser->problem : "wrong syntax",
			   parser->context != NULL ? " " : "",
			   parser->context != NULL ? parser->context : "",
			   bare ? " (what begins with a colon needs quotes: \"::1\")" : "");
}

static void parse(struct builder *b, const char *text, size_t len)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser)) {
		b->err = FL_ENOMEM;
		return;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (!b->done) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			report_syntax(b, &parser);
			break;
		}
		on_event(b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
}

enum fl_err fl__config_yaml(const char *text, size_t len, const char *file,
			    struct fl__config_problems *problems, struct fl__config_node **root)
{
	struct builder b = { .problems = problems, .file = file };
	const struct fl__config_mark start = { file, 1, 1 };
	const size_t before = problems->n;

	if (len > FL__CONFIG_TEXT_MAX) {
		fl__config_problem(problems, &start, "too large, at most 1MiB expected");
		return FL_EINVALID;
	}
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3; /* some editors put a byte order mark before UTF-8 */
		len -= 3;
	}
	check_characters(text, len, file, problems);
	if (problems->n != before) {
		return FL_EINVALID;
	}
	parse(&b, text, len);
	if (b.err != FL_OK) {
		fl__config_node_free(b.root);
		return b.err;
	}
	*root = b.root;
	return FL_OK;
}

void fl__config_node_free(struct fl__config_node *node)
{
	while (node != NULL) { /* recursion goes no deeper than DEPTH_MAX */
		struct fl__config_node *next = node->next;
		fl__config_node_free(node->first);
		fl__config_node_free(node->value);
		free(node->text);
		free(node);
		node = next;
	}
}
