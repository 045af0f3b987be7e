def test_x(viewer, web, full):
    print(web.search_for_studies())
