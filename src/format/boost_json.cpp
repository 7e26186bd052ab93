// The one place where Boost.JSON is compiled; nothing links to a Boost library.
#include <boost/json/src.hpp>
