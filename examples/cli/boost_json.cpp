// Boost.JSON is compiled in, so that no library of it is needed at run time.
#include <boost/json/src.hpp>
