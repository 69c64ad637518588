/* The files of src/status/page, as text: made by the Makefile. */
#ifndef ADIT_STATUS_PAGE_FILES_H
#define ADIT_STATUS_PAGE_FILES_H

extern const char page_file_index_html[];
extern const char page_file_page_css[];
extern const char page_file_page_js[];

#endif
